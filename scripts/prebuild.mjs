/**
 * `npm run prebuild`: makes `prebuilds/<platform>-<arch>/`, the addon and MLX, ready to be packed. Built by prebuildify
 * from a clean copy of the sources, and proved from a copy somewhere else when nothing of that build is left.
 * `--backend cuda12` (or `cuda13`): the same addon beside that build of MLX instead, in a directory of its own.
 * `--if-needed`: does nothing when the sources have not changed since.
 *
 * npm runs a script of this name before `build` too; nobody who builds wants this then, and it does nothing.
 */
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { backendHere, prebuildName, wheelOf } from "./lib/backends.mjs";
import { compileTypeScript } from "./lib/compile.mjs";
import { examineElf, missingSymbols } from "./lib/elf.mjs";
import { filesUnder, fingerprint, isDone, markDone } from "./lib/fingerprint.mjs";
import { isHookOf } from "./lib/npm-hook.mjs";
import { paths } from "./lib/paths.mjs";
import { addMlx } from "./lib/prebuilt-mlx.mjs";
import { prepareTools } from "./lib/prepare.mjs";
import { provePrebuilt } from "./lib/prove-prebuilt.mjs";
import { progress, runMain, SetupError } from "./lib/report.mjs";
import { fetchWheel, unpackWheel } from "./lib/wheel.mjs";

/** What the build reads; tests/ is left out, and with it the native tests. */
const SOURCES = ["package.json", "binding.gyp", "CMakeLists.txt", "native", "scripts"];

/** Of that, what decides the result. */
const DECISIVE = ["CMakeLists.txt", "native", ...["build-addon", "mlx-wheels", "prebuilt-mlx"].map(moduleOf)];

await runMain(async () => {
  if (isHookOf("build")) return;
  const { values } = parseArgs({ options: { backend: { type: "string" }, "if-needed": { type: "boolean" } } });
  const backend = backendHere(values.backend);
  await prepareTools();
  await compileTypeScript();

  if (!values["if-needed"] || !isCurrent(backendHere())) await makeDefault(backendHere());
  if (!backend.isDefault) await makeOther(backend);
  progress(report(backend));
});

/** Compiles the addon, and proves the result. */
async function makeDefault(backend) {
  const print = currentPrint();
  await inTemporaryDirectory(async (work) => {
    const stage = stageSources(path.join(work, "stage"));
    const output = path.join(work, "output");
    await runPrebuildify(stage, output);
    const finished = path.join(output, "prebuilds", prebuildName(backend));
    addMlx(path.join(stage, "build", "native"), finished);
    fs.rmSync(stage, { recursive: true });
    examine(finished);
    progress(`moved elsewhere it answers: ${provePrebuilt(finished, path.join(work, "package"))}`);
    install(finished, directoryOf(backend));
  });
  markDone("prebuild", print);
}

/** Puts the addon that is there beside another build of MLX. Not proved: this machine need not have what it runs on. */
async function makeOther(backend) {
  await inTemporaryDirectory(async (work) => {
    const unpacked = path.join(work, "wheel");
    await unpackWheel(await fetchWheel(wheelOf(backend, os.release())), unpacked);
    const finished = path.join(work, "finished");
    fs.mkdirSync(finished);
    fs.copyFileSync(path.join(directoryOf(backendHere()), "punie.node"), path.join(finished, "punie.node"));
    addMlx(unpacked, finished, { cuda: backend.backend.startsWith("cuda") });
    examine(finished);
    compare(directoryOf(backendHere()), finished);
    install(finished, directoryOf(backend));
  });
}

/** The addon was compiled against the other's headers, and not loaded with this one. */
function compare(directory, other) {
  const [library, offered] = [directory, other].map((place) => path.join(place, "mlx", "lib", "libmlx.so"));
  const missing = missingSymbols({ addon: path.join(other, "punie.node"), library, other: offered });
  if (missing.length > 0) throw new SetupError(`This build of MLX lacks what the addon uses:\n${missing.join("\n")}`);
}

function isCurrent(backend) {
  return fs.existsSync(path.join(directoryOf(backend), "punie.node")) && isDone("prebuild", currentPrint());
}

function currentPrint() {
  return fingerprint(DECISIVE.map((name) => path.join(paths.root, name)));
}

function moduleOf(name) {
  return path.join("scripts", "lib", `${name}.mjs`);
}

function directoryOf(backend) {
  return path.join(paths.prebuilds, prebuildName(backend));
}

async function inTemporaryDirectory(work) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "punie-prebuild-"));
  try {
    await work(directory);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

function install(finished, directory) {
  fs.rmSync(directory, { recursive: true, force: true });
  fs.mkdirSync(path.dirname(directory), { recursive: true });
  fs.cpSync(finished, directory, { recursive: true });
}

/** On macOS MLX's wheel and CMAKE_OSX_DEPLOYMENT_TARGET decide what the files ask for. */
function examine(directory) {
  if (process.platform !== "linux") return;
  const { newest, problems } = examineElf(directory);
  if (problems.length > 0) throw new SetupError(`The prebuilt files would not load elsewhere:\n${problems.join("\n")}`);
  progress(`asks the system for GLIBC_${newest.GLIBC}, GLIBCXX_${newest.GLIBCXX}, CXXABI_${newest.CXXABI}`);
}

function stageSources(stage) {
  fs.mkdirSync(stage, { recursive: true });
  for (const name of SOURCES) fs.cpSync(path.join(paths.root, name), path.join(stage, name), { recursive: true });
  fs.symlinkSync(path.join(paths.root, "node_modules"), path.join(stage, "node_modules"));
  return stage;
}

function runPrebuildify(stage, output) {
  // node-gyp empties build/, where the downloads would be.
  process.env.PUNIE_DOWNLOADS = paths.downloads;
  // An installed MLX is found by its path: such an addon can't be moved.
  delete process.env.PUNIE_MLX_PREFIX;
  delete process.env.PUNIE_SANITIZE;
  const headers = path.dirname(path.dirname(process.execPath));
  if (fs.existsSync(path.join(headers, "include", "node", "common.gypi"))) process.env.npm_config_nodedir ??= headers;

  const prebuildify = createRequire(path.join(paths.root, "package.json"))("prebuildify");
  const options = {
    cwd: stage,
    out: output,
    name: "punie",
    napi: true,
    strip: true,
    targets: [{ runtime: "node", target: process.version }],
    nodeGyp: nodeGyp(),
  };
  return new Promise((resolve, reject) => {
    prebuildify(options, (error) => (error ? reject(new SetupError(`prebuildify: ${error.message}`)) : resolve()));
  });
}

/** npm carries node-gyp, and names it to the scripts that it runs. */
function nodeGyp() {
  const program = process.env.npm_config_node_gyp;
  if (!program) throw new SetupError("Run this by npm, which brings node-gyp: npm run prebuild");
  return program;
}

function report(backend) {
  const directory = directoryOf(backend);
  const sizes = filesUnder(directory).map((file) => fs.statSync(file).size);
  const addon = fs.statSync(path.join(directory, "punie.node")).size;
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  const total = megabytes(sizes.reduce((sum, size) => sum + size, 0));
  return `${path.relative(paths.root, directory)} is ${total}, of it punie.node ${megabytes(addon)}`;
}
