/**
 * `npm run bench:package`: what the packed package weighs, how long it takes to install, and how long from a program's
 * first line to a loaded model and its first token, in each runtime that is there (`npm run test:runtimes` fetches
 * them). Prints Markdown tables. Installs into an empty directory; only npm's registry is asked.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { npm } from "./lib/build-tools.mjs";
import { filesUnder } from "./lib/fingerprint.mjs";
import { paths } from "./lib/paths.mjs";
import { progress, runMain, SetupError } from "./lib/report.mjs";

/** Each figure is the median of so many processes. */
const REPEATS = 9;

const PROGRAM = `
const start = performance.now();
const { loadModel } = await import("punie");
const imported = performance.now();
const model = await loadModel("./model", { device: "cpu" });
const loaded = performance.now();
let first;
for await (const part of model.stream({ prompt: "Hello", maxTokens: 4, ignoreEos: true })) first ??= performance.now();
await model.dispose();
console.log(JSON.stringify([imported - start, loaded - imported, first - loaded]));
`;

await runMain(async () => {
  const work = fs.mkdtempSync(path.join(os.tmpdir(), "punie-bench-package-"));
  try {
    const [{ filename, size, unpackedSize }] = pack(work);
    const tarball = path.join(work, filename);
    const cache = path.join(work, "npm-cache");
    const cold = install(path.join(work, "cold"), tarball, cache);
    const app = path.join(work, "warm");
    const warm = install(app, tarball, cache);
    const all = filesUnder(path.join(app, "node_modules")).reduce((sum, file) => sum + fs.lstatSync(file).size, 0);
    print([
      ["package", "packed", "unpacked", "with its dependencies", "npm install, empty cache", "npm install, full cache"],
      [filename, megabytes(size), megabytes(unpackedSize), megabytes(all), seconds(cold), seconds(warm)],
    ]);
    fs.cpSync(path.join(paths.root, "tests", "fixtures", "tiny-coder-4bit"), path.join(app, "model"), {
      recursive: true,
    });
    fs.writeFileSync(path.join(app, "program.mjs"), PROGRAM);
    print([["runtime", "import", "loadModel", "first token", "whole process"], ...measureAll(app)]);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
});

function pack(directory) {
  progress("packing...");
  const { stdout } = runNpm(["pack", "--json", "--pack-destination", directory], paths.root);
  return JSON.parse(stdout.slice(stdout.indexOf("[")));
}

/** @returns {number} seconds */
function install(directory, tarball, cache) {
  progress("installing...");
  fs.mkdirSync(directory);
  fs.writeFileSync(path.join(directory, "package.json"), JSON.stringify({ name: "app", private: true }));
  const started = performance.now();
  runNpm(["install", "--no-audit", "--no-fund", "--cache", cache, tarball], directory);
  return (performance.now() - started) / 1000;
}

function runNpm(args, cwd) {
  const [command, first] = npm();
  const result = spawnSync(command, [...first, ...args], { cwd, encoding: "utf8" });
  if (result.status !== 0) throw new SetupError(`npm ${args.join(" ")} failed: ${result.stderr}`);
  return result;
}

/** One process of each in turn, so that a busy moment of the machine falls on all. */
function measureAll(app) {
  const found = runtimes().map((runtime) => ({ ...runtime, version: version(runtime), times: [] }));
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    progress(`round ${repeat + 1} of ${REPEATS}...`);
    for (const { name, command, times } of found) {
      const [program, ...args] = [...command, "program.mjs"];
      const started = performance.now();
      const { status, stdout, stderr } = spawnSync(program, args, { cwd: app, encoding: "utf8" });
      if (status !== 0) throw new SetupError(`${name}: ${stderr}`);
      times.push([...JSON.parse(stdout), performance.now() - started]);
    }
  }
  return found.map(({ version, times }) => [
    version,
    ...[0, 1, 2, 3].map((column) => `${median(times.map((row) => row[column])).toFixed(0)} ms`),
  ]);
}

function runtimes() {
  const modules = path.join(paths.tools, "runtimes", "node_modules");
  const candidates = [
    { name: "node", command: [path.join(modules, "node20", "bin", "node")] },
    { name: "node", command: [path.join(modules, "node22", "bin", "node")] },
    { name: "node", command: [path.join(modules, "node24", "bin", "node")] },
    { name: "bun", command: [path.join(modules, "bun", "bin", "bun")] },
    { name: "deno", command: [path.join(modules, "deno", "deno"), "run", "--allow-all"] },
  ];
  const there = candidates.filter(({ command: [program] }) => fs.existsSync(program));
  return there.length > 0 ? there : [{ name: "node", command: [process.execPath] }];
}

function version({ name, command: [program] }) {
  const { stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  return `${name[0].toUpperCase()}${name.slice(1)} ${stdout.match(/\d+\.\d+\.\d+/)?.[0]}`;
}

function median(values) {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

function print([head, ...rows]) {
  const line = (cells) => `| ${cells.join(" | ")} |\n`;
  process.stdout.write(`${[head, head.map(() => "---"), ...rows].map(line).join("")}\n`);
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function seconds(value) {
  return `${value.toFixed(1)} s`;
}
