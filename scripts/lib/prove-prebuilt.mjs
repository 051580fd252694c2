import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { paths } from "./paths.mjs";
import { SetupError } from "./report.mjs";

/** Prints every library that the process holds once the addon is there. */
const LIST_LIBRARIES = `
  require(process.argv[1]);
  process.report.excludeNetwork = true;
  console.log(JSON.stringify(process.report.getReport().sharedObjects));`;

/** What must come from the package and from nowhere else. */
const OURS = /(^|\/)(punie\.node$|libmlx|libblas|liblapack|libgfortran|libquadmath|libjaccl)/;

/**
 * Proves that a prebuilt directory needs nothing but itself: from a copy somewhere else it loads its own libraries and
 * no others of their names, and gives a small model's answer.
 * @param {string} prebuilt
 * @param {string} elsewhere a directory that is made, for the copy
 * @returns {string} the answer
 */
export function provePrebuilt(prebuilt, elsewhere) {
  const moved = path.join(elsewhere, "prebuilds", `${process.platform}-${process.arch}`);
  fs.cpSync(prebuilt, moved, { recursive: true });
  proveItsLibraries(fs.realpathSync(moved));
  fs.cpSync(paths.dist, path.join(elsewhere, "dist"), { recursive: true });
  fs.copyFileSync(path.join(paths.root, "package.json"), path.join(elsewhere, "package.json"));
  fs.symlinkSync(path.join(paths.root, "node_modules"), path.join(elsewhere, "node_modules"));
  return proveItsAnswer(elsewhere);
}

function proveItsLibraries(moved) {
  const addon = path.join(moved, "punie.node");
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ["-e", LIST_LIBRARIES, addon], {
    encoding: "utf8",
  });
  if (status !== 0)
    throw new SetupError(`${addon} does not load where it was moved to (${signal ?? status}): ${stderr}`);
  const loaded = JSON.parse(stdout).filter((file) => OURS.test(file));
  const foreign = loaded.filter((file) => !file.startsWith(`${moved}${path.sep}`));
  if (foreign.length > 0)
    throw new SetupError(`The moved addon loads libraries of another place: ${foreign.join(", ")}`);
  if (!loaded.some((file) => file.includes("libmlx"))) throw new SetupError(`${addon} loads no libmlx.`);
}

/** The model and what it answers are the tests': tokens of mlx-lm, each of them far ahead of the next best. */
function proveItsAnswer(elsewhere) {
  const fixtures = path.join(paths.root, "tests", "fixtures");
  const golden = JSON.parse(fs.readFileSync(path.join(fixtures, "goldens", "tasks.golden.json"), "utf8"));
  const [{ promptIds, text }] = golden.tasks;
  const model = path.join(fixtures, "tiny-coder-4bit");
  const args = ["generate", "--model", model, "--device", "cpu", "--prompt-ids", promptIds.join(",")];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ["dist/cli/main.js", ...args], {
    cwd: elsewhere,
    encoding: "utf8",
  });
  if (status !== 0) {
    throw new SetupError(`The prebuilt addon does not run where it was moved to (${signal ?? status}): ${stderr}`);
  }
  if (stdout.trim() !== text) {
    throw new SetupError(`The prebuilt addon answers ${JSON.stringify(stdout)}, expected ${JSON.stringify(text)}.`);
  }
  return text;
}
