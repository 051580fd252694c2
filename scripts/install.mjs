/**
 * npm's install script: uses the package's prebuilt addon where it loads, else builds from source; in a checkout it
 * compiles the TypeScript too, so that `npx punie` is there. `PUNIE_SKIP_BUILD=1` does nothing; all of it can be made
 * later with `npm run build`.
 */
import fs from "node:fs";
import path from "node:path";
import { buildAddon } from "./lib/build-addon.mjs";
import { paths } from "./lib/paths.mjs";
import { whyNotLoadable } from "./lib/prebuilt.mjs";
import { compileTypeScript } from "./lib/prepare.mjs";
import { Interruption, progress, runMain, SetupError } from "./lib/report.mjs";
import { checkNode, checkPlatform } from "./lib/requirements.mjs";

await runMain(async () => {
  if (process.env.PUNIE_SKIP_BUILD === "1") return;
  checkNode();
  checkPlatform();
  if (!hasPrebuilt()) await buildFromSource();
  // Without the development dependencies there is no compiler, and whoever left them out knows why.
  if (fs.existsSync(path.join(paths.root, "node_modules", "typescript"))) await compileTypeScript();
});

function hasPrebuilt() {
  if (!fs.existsSync(paths.prebuild)) return false;
  const reason = whyNotLoadable(paths.prebuild);
  if (reason === undefined) return true;
  progress(`the prebuilt addon can't be used (${reason}); building from source`);
  return false;
}

async function buildFromSource() {
  try {
    await buildAddon();
  } catch (error) {
    if (error instanceof Interruption) throw error;
    throw new SetupError(
      `${error.message}\n\npunie's native addon could not be built. Once the cause above is removed, install again.\n` +
        "To install without it (nothing that loads a model will work): PUNIE_SKIP_BUILD=1 npm install",
      { cause: error },
    );
  }
}
