/**
 * Builds the native addon from source: `npm run build:native`. Does nothing when it is up to date.
 * `--copy-to DIR` also puts punie.node there, which is where node-gyp's users look for it.
 * `PUNIE_MLX_PREFIX`: an installed MLX to build against. `PUNIE_SANITIZE`: `address,undefined` or `thread`, built
 * apart. `PUNIE_NATIVE_TESTS=OFF`: without the native tests.
 */
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { buildAddon } from "./lib/build-addon.mjs";
import { paths } from "./lib/paths.mjs";
import { progress, runMain } from "./lib/report.mjs";
import { checkNode } from "./lib/requirements.mjs";

await runMain(async () => {
  checkNode();
  const { values } = parseArgs({ options: { "copy-to": { type: "string" } } });
  if (!(await buildAddon())) progress("the native addon is up to date");
  const directory = values["copy-to"];
  if (directory !== undefined) {
    fs.mkdirSync(directory, { recursive: true });
    fs.copyFileSync(paths.addon, path.join(directory, path.basename(paths.addon)));
  }
});
