/**
 * npm's install script: uses the package's prebuilt addon where it loads, else builds from source.
 * `PUNIE_SKIP_BUILD=1` does nothing; the addon can be made later with `npm run build:native`.
 */
import fs from "node:fs";
import { buildAddon } from "./lib/build-addon.mjs";
import { paths } from "./lib/paths.mjs";
import { whyNotLoadable } from "./lib/prebuilt.mjs";
import { progress, runMain, SetupError } from "./lib/report.mjs";
import { checkNode, checkPlatform } from "./lib/requirements.mjs";

await runMain(async () => {
  if (process.env.PUNIE_SKIP_BUILD === "1") return;
  checkNode();
  checkPlatform();
  if (fs.existsSync(paths.prebuild)) {
    const reason = whyNotLoadable(paths.prebuild);
    if (reason === undefined) return;
    progress(`the prebuilt addon can't be used (${reason}); building from source`);
  }
  try {
    await buildAddon();
  } catch (error) {
    throw new SetupError(
      `${error.message}\n\npunie's native addon could not be built. Once the cause above is removed, install again.\n` +
        "To install without it (nothing that loads a model will work): PUNIE_SKIP_BUILD=1 npm install",
      { cause: error },
    );
  }
});
