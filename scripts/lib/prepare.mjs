import fs from "node:fs";
import path from "node:path";
import { buildAddon } from "./build-addon.mjs";
import { npm } from "./build-tools.mjs";
import { compileTypeScript } from "./compile.mjs";
import { withLock } from "./lock.mjs";
import { paths } from "./paths.mjs";
import { progress } from "./report.mjs";
import { checkBuildTools, checkNode, checkPlatform } from "./requirements.mjs";
import { runLogged } from "./run.mjs";

/**
 * Everything between a fresh clone and a working `dist/`: dependencies, the addon, the compiled TypeScript. Each step is
 * skipped when it is up to date. Works with nothing but Node there: it imports nothing that npm installs.
 */
export async function prepare() {
  await prepareTools();
  await buildAddon();
  await compileTypeScript();
}

/** What the lint step needs: only the dependencies. */
export async function prepareTools() {
  checkNode();
  checkPlatform();
  await installDependencies();
}

/** A package from the registry has no lock file: npm has installed its dependencies already. */
async function installDependencies() {
  if (dependenciesAreCurrent()) return;
  await withLock("install", async () => {
    if (dependenciesAreCurrent()) return;
    // Before the long download, not after it.
    checkBuildTools();
    progress("installing dependencies (npm ci)...");
    const [command, first] = npm();
    await runLogged(
      path.join(paths.build, "npm-ci.log"),
      command,
      [...first, "ci", "--include=dev", "--no-audit", "--no-fund"],
      // The addon is built by the next step, with its progress shown.
      { cwd: paths.root, env: { ...process.env, PUNIE_SKIP_BUILD: "1" }, hint: "npm says above what went wrong." },
    );
  });
}

function dependenciesAreCurrent() {
  const wanted = modifiedMs(path.join(paths.root, "package-lock.json"));
  const installed = modifiedMs(path.join(paths.root, "node_modules", ".package-lock.json"));
  return wanted === undefined || (installed !== undefined && installed >= wanted);
}

function modifiedMs(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}
