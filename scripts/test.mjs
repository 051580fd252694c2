/**
 * The whole default suite from a fresh clone: set-up, lint, native tests, vitest. The last line says `N passed, M failed`;
 * each lint check counts as one. `--long` takes in the long runs of tests/long. Other arguments go to vitest, which then
 * runs alone: `npm test -- tests/unit/errors.test.ts`.
 */
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { paths } from "./lib/paths.mjs";
import { prepare } from "./lib/prepare.mjs";
import { progress } from "./lib/report.mjs";
import { runChecks } from "./lib/run-checks.mjs";

const args = process.argv.slice(2);
const long = args.includes("--long");
const vitestArgs = args.filter((argument) => argument !== "--long");

const total = { passed: 0, failed: 0 };
const steps = vitestArgs.length > 0 ? [prepareAll, vitest] : [prepareAll, runChecks, nativeTests, vitest];
for (const step of steps) {
  try {
    const { passed, failed } = await step();
    total.passed += passed;
    total.failed += failed;
  } catch (error) {
    process.stderr.write(`\n${error?.message ?? error}\n`);
    total.failed += 1;
    // Nothing can be said of a tree that can't be set up.
    if (step === prepareAll) break;
  }
}
process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
process.exitCode = total.failed > 0 ? 1 : 0;

/** Counts for nothing when it succeeds: it is no test. */
async function prepareAll() {
  await prepare();
  return { passed: 0, failed: 0 };
}

/** The kernels' own tests: a program that prints a line per test. */
async function nativeTests() {
  const program = path.join(paths.native, "punie_native_tests");
  progress("running the native tests...");
  const { code, stdout } = await run(program, [], { capture: true });
  const count = (pattern) => stdout.match(pattern)?.length ?? 0;
  const failed = count(/^FAIL /gm);
  if (code !== 0) process.stderr.write(stdout);
  // A crash prints no line for the test that it ended.
  return { passed: count(/^ok /gm), failed: code === 0 ? failed : Math.max(1, failed) };
}

async function vitest() {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "punie-test-"));
  const counts = path.join(directory, "counts.json");
  const program = path.join(paths.root, "node_modules", "vitest", "vitest.mjs");
  const reporters = ["--reporter=default", `--reporter=${path.join(paths.root, "tests", "helpers", "reporter.ts")}`];
  try {
    const env = { ...process.env, PUNIE_TEST_COUNTS: counts, ...(long ? { PUNIE_LONG: "1" } : {}) };
    const { code } = await run(process.execPath, [program, "run", ...reporters, ...vitestArgs], { env });
    if (!fs.existsSync(counts)) throw new Error(`vitest ended without a result (${code}).`);
    const { passed, failed } = JSON.parse(fs.readFileSync(counts, "utf8"));
    return { passed, failed: code === 0 ? failed : Math.max(1, failed) };
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

function run(command, commandArgs, { env = process.env, capture = false } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = ["ignore", capture ? "pipe" : "inherit", "inherit"];
    const child = spawn(command, commandArgs, { cwd: paths.root, env, stdio });
    let stdout = "";
    child.stdout?.on("data", (chunk) => {
      stdout += chunk;
    });
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code: code ?? signal, stdout }));
  });
}
