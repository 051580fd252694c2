/**
 * npm's install script: leaves everything as it is where a prebuilt addon loads, else builds one from source; in a
 * checkout it compiles the TypeScript too, so that `npx punie` is there. `PUNIE_SKIP_BUILD=1` does nothing; all of it
 * can be made later with `npm run build`.
 */
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { backendHere, packageName } from "./lib/backends.mjs";
import { buildAddon } from "./lib/build-addon.mjs";
import { compileTypeScript } from "./lib/compile.mjs";
import { paths } from "./lib/paths.mjs";
import { whyNotLoadable } from "./lib/prebuilt.mjs";
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

/** In a checkout a prebuilt addon may be older than the sources. */
function hasPrebuilt() {
  if (isCheckout()) return false;
  for (const directory of prebuiltDirectories()) {
    const reason = whyNotLoadable(directory);
    if (reason === undefined) return true;
    progress(`the prebuilt addon can't be used (${reason})`);
  }
  progress("there is no prebuilt addon that works here; building from source");
  return false;
}

function isCheckout() {
  return fs.existsSync(path.join(paths.root, "src"));
}

/** The package's own, and its platform's package where npm has installed that one. */
function prebuiltDirectories() {
  const directories = [paths.prebuild];
  try {
    const require = createRequire(path.join(paths.root, "package.json"));
    directories.push(path.dirname(require.resolve(`${packageName(backendHere())}/package.json`)));
  } catch {
    // Not installed.
  }
  return directories.filter((directory) => fs.existsSync(directory));
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
