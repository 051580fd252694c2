/**
 * Makes `prebuilds/<platform>-<arch>/`: the addon and MLX, ready to be published. `npm run make-prebuild`.
 * Built by prebuildify from a clean copy of the sources, and proved by a package with nothing but the result, put
 * together somewhere else when nothing of that build is left: it must give a small model's answer.
 */
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { paths } from "./lib/paths.mjs";
import { compileTypeScript, prepareTools } from "./lib/prepare.mjs";
import { progress, runMain, SetupError } from "./lib/report.mjs";

/** What the build reads; tests/ is left out, and with it the native tests. */
const SOURCES = ["package.json", "binding.gyp", "CMakeLists.txt", "native", "scripts"];

await runMain(async () => {
  await prepareTools();
  await compileTypeScript();
  const work = fs.mkdtempSync(path.join(os.tmpdir(), "punie-prebuild-"));
  try {
    const stage = stageSources(path.join(work, "stage"));
    const output = path.join(work, "output");
    await runPrebuildify(stage, output);
    const finished = path.join(output, "prebuilds", `${process.platform}-${process.arch}`);
    addMlx(path.join(stage, "build", "native"), finished);
    fs.rmSync(stage, { recursive: true });
    proveThatItAnswers(finished, path.join(work, "package"));

    fs.rmSync(paths.prebuild, { recursive: true, force: true });
    fs.mkdirSync(path.dirname(paths.prebuild), { recursive: true });
    fs.cpSync(finished, paths.prebuild, { recursive: true });
    progress(`made ${path.relative(paths.root, paths.prebuild)} (${megabytes(paths.prebuild)} MB)`);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
});

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
  if (!program) throw new SetupError("Run this by npm, which brings node-gyp: npm run make-prebuild");
  return program;
}

/** MLX's libraries in the wheel's own layout: libmlx finds its BLAS relative to itself. */
function addMlx(built, finished) {
  const lib = path.join(finished, "mlx", "lib");
  fs.mkdirSync(lib, { recursive: true });
  for (const name of fs.readdirSync(path.join(built, "mlx", "lib"))) {
    if (!/\.(so|dylib|metallib)$/.test(name)) continue;
    fs.copyFileSync(path.join(built, "mlx", "lib", name), path.join(lib, name));
    // Not on macOS, where it would break the library's signature.
    if (name.endsWith(".so")) execFileSync("strip", ["--strip-unneeded", path.join(lib, name)]);
  }
  const blas = path.join(built, "mlx_cpu.libs");
  if (fs.existsSync(blas)) fs.cpSync(blas, path.join(finished, "mlx_cpu.libs"), { recursive: true });
}

/** The model and what it answers are the tests': tokens of mlx-lm, each of them far ahead of the next best. */
function proveThatItAnswers(finished, elsewhere) {
  fs.cpSync(finished, path.join(elsewhere, "prebuilds", path.basename(finished)), { recursive: true });
  fs.cpSync(paths.dist, path.join(elsewhere, "dist"), { recursive: true });
  fs.copyFileSync(path.join(paths.root, "package.json"), path.join(elsewhere, "package.json"));
  fs.symlinkSync(path.join(paths.root, "node_modules"), path.join(elsewhere, "node_modules"));

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
  progress(`moved elsewhere it answers: ${text}`);
}

function megabytes(directory) {
  const sizes = fs.readdirSync(directory, { recursive: true }).map((name) => fs.statSync(path.join(directory, name)));
  return Math.round(sizes.filter((stat) => stat.isFile()).reduce((sum, stat) => sum + stat.size, 0) / 1e6);
}
