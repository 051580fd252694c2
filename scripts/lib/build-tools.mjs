import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { paths } from "./paths.mjs";
import { progress, SetupError } from "./report.mjs";
import { runLogged } from "./run.mjs";

/** What a build takes from npm. A checkout has them as development dependencies; an installed package does not. */
const PACKAGES = ["cmake-js", "node-addon-api", "node-api-headers"];

/** Where an installed package keeps its own, so that nothing of its user's project changes. */
const OWN = path.join(paths.tools, "npm");

/** The directory of a package that the build uses, or undefined when it isn't there. */
export function buildToolPackage(name) {
  for (const from of [paths.root, OWN]) {
    try {
      return path.dirname(createRequire(path.join(from, "package.json")).resolve(`${name}/package.json`));
    } catch {
      // Not from there.
    }
  }
  return undefined;
}

export function buildToolsAreThere() {
  return PACKAGES.every((name) => buildToolPackage(name) !== undefined);
}

/** Fetches what is missing from the npm registry, by the hashes of `scripts/build-tools/package-lock.json`. */
export async function fetchBuildTools() {
  if (buildToolsAreThere()) return;
  const description = path.join(paths.root, "scripts", "build-tools");
  if (!fs.existsSync(description)) throw new SetupError("The build's packages are not installed. Run: npm ci");
  progress(`fetching ${PACKAGES.join(", ")}...`);
  fs.rmSync(OWN, { recursive: true, force: true });
  fs.cpSync(description, OWN, { recursive: true });
  const [command, first] = npm();
  await runLogged(
    path.join(paths.build, "npm-build-tools.log"),
    command,
    [...first, "ci", "--prefix", OWN, "--ignore-scripts", "--no-audit", "--no-fund"],
    { cwd: OWN, env: withoutNpmSettings(), hint: "npm says above what went wrong." },
  );
}

/** npm as a command and its first arguments: the one that runs this, where one does. */
export function npm() {
  const program = process.env.npm_execpath;
  return program?.endsWith(".js") ? [process.execPath, [program]] : ["npm", []];
}

/** `npm install --global punie` would make this one global too. */
function withoutNpmSettings() {
  const { npm_config_global: _, npm_config_location: __, npm_config_prefix: ___, ...env } = process.env;
  return env;
}
