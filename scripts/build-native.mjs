/**
 * Builds the native addon from source: `npm run build:native`. Does nothing when it is up to date.
 * `PUNIE_MLX_PREFIX`: an installed MLX to build against. `PUNIE_SANITIZE`: `address,undefined` or `thread`, built
 * apart. `PUNIE_NATIVE_TESTS=OFF`: without the native tests.
 */
import { buildAddon } from "./lib/build-addon.mjs";
import { progress, runMain } from "./lib/report.mjs";
import { checkNode } from "./lib/requirements.mjs";

await runMain(async () => {
  checkNode();
  if (!(await buildAddon())) progress("the native addon is up to date");
});
