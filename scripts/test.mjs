/**
 * The whole default suite from a fresh clone: set-up, lint, native tests, vitest. The last line says `N passed, M failed`;
 * each lint check counts as one. `--long` takes in the long runs of tests/long. Other arguments go to vitest, which then
 * runs alone: `npm test -- tests/unit/tokenizer`. What failed is named once more before that line, since what it
 * printed lies far above by then.
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

let passed = 0;
/** The name of each thing that failed. */
const failures = [];
/** What is to be known of a run besides. */
const notes = [];
const steps = vitestArgs.length > 0 ? [prepareAll, vitest] : [prepareAll, runChecks, nativeTests, vitest];
for (const step of steps) {
  try {
    const result = await step();
    passed += result.passed;
    failures.push(...result.failures);
  } catch (error) {
    process.stderr.write(`\n${error?.message ?? error}\n`);
    failures.push(step.name);
    // Nothing can be said of a tree that can't be set up.
    if (step === prepareAll) break;
  }
}
for (const note of notes) process.stdout.write(`${note}\n`);
for (const name of failures) process.stdout.write(`failed: ${name}\n`);
process.stdout.write(`${passed} passed, ${failures.length} failed\n`);
process.exitCode = failures.length > 0 ? 1 : 0;

/** Counts for nothing when it succeeds: it is no test. */
async function prepareAll() {
  await prepare();
  return { passed: 0, failures: [] };
}

/** The kernels' own tests: a program that prints a line per test. */
async function nativeTests() {
  const program = path.join(paths.native, "punie_native_tests");
  progress("running the native tests...");
  const { code, stdout } = await run(program, [], { capture: true });
  const named = (pattern) => Array.from(stdout.matchAll(pattern), ([, name]) => name);
  if (code !== 0) process.stderr.write(stdout);
  // What a processor lacks is not tested on it.
  notes.push(...named(/^(kernels: .*)$/gm).map((kernels) => `native tests of the ${kernels}`));
  return { passed: named(/^ok +(.*)$/gm).length, failures: atLeastOne(named(/^FAIL +(.*)$/gm), "native tests", code) };
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
    const counted = JSON.parse(fs.readFileSync(counts, "utf8"));
    return { passed: counted.passed, failures: atLeastOne(counted.failures, "vitest", code) };
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

/** A program that was killed, or found fault with something other than a test, names nothing that failed. */
function atLeastOne(failures, program, code) {
  return code === 0 || failures.length > 0 ? failures : [`${program} ended with ${code}`];
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
