/** Runs the cases of a fuzz target, each made from the seed and its number alone. */
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { PunieError } from "../../src/errors.js";
import { type Random, randomFrom } from "../helpers/random.js";

/** A reader of untrusted input that is being fuzzed. */
export interface FuzzTarget {
  /**
   * Makes one damaged input and has it read.
   * @returns What came of it, in a word. A `PunieError` with one of `codes` counts as a refusal; anything else that is
   * thrown is a finding.
   */
  run(random: Random): Promise<string> | string;
  /** What may be thrown at a damaged input. */
  codes: readonly string[];
  close?(): Promise<void>;
}

export interface Budget {
  seed: number;
  /** The first case to run. */
  first?: number;
  /** Most cases. */
  cases?: number;
  seconds?: number;
}

export interface Report {
  cases: number;
  seconds: number;
  slowestMs: number;
  /** How often each outcome was. */
  outcomes: Record<string, number>;
}

const BUILD = fileURLToPath(new URL("../../build/fuzz/", import.meta.url));
/** No input that is this small may take longer. */
const HANG_MS = 30_000;

/**
 * @throws Error naming target, seed and case: run it again with `npm run fuzz -- TARGET --seed S --case N`. A crash
 * leaves the case's number in `build/fuzz/TARGET.case`; a hang ends the process and tells it on stderr.
 */
export async function runCases(name: string, target: FuzzTarget, budget: Budget): Promise<Report> {
  const { seed, first = 0, cases = Number.POSITIVE_INFINITY, seconds = Number.POSITIVE_INFINITY } = budget;
  const watch = watchCases(name, seed);
  const started = performance.now();
  const report: Report = { cases: 0, seconds: 0, slowestMs: 0, outcomes: {} };
  try {
    for (let number = first; number < first + cases && performance.now() - started < seconds * 1000; number++) {
      watch.begin(number);
      const begun = performance.now();
      const outcome = await outcomeOf(target, randomFrom(Math.imul(seed, 0x9e3779b1) ^ (number + 1))).catch((error) => {
        throw new Error(`${name}, seed ${seed}, case ${number}: ${error?.stack ?? error}`, { cause: error });
      });
      report.slowestMs = Math.max(report.slowestMs, performance.now() - begun);
      report.outcomes[outcome] = (report.outcomes[outcome] ?? 0) + 1;
      report.cases++;
    }
  } finally {
    await watch.end();
  }
  report.seconds = (performance.now() - started) / 1000;
  return report;
}

async function outcomeOf(target: FuzzTarget, random: Random): Promise<string> {
  try {
    return await target.run(random);
  } catch (error) {
    if (error instanceof PunieError && target.codes.includes(error.code)) return error.code;
    throw error;
  }
}

/** Writes down where the run is, for when it crashes, and watches it from a thread of its own, for when it hangs. */
function watchCases(name: string, seed: number) {
  mkdirSync(BUILD, { recursive: true });
  const path = join(BUILD, `${name}.case`);
  const file = openSync(path, "w");
  const current = new Int32Array(new SharedArrayBuffer(4)).fill(-1);
  const watcher = new Worker(WATCHER, { eval: true, workerData: { current, name, seed, hangMs: HANG_MS } });
  watcher.unref();
  return {
    begin(number: number): void {
      writeSync(file, `${String(seed).padEnd(12)} ${String(number).padEnd(12)}\n`, 0);
      Atomics.store(current, 0, number);
    },
    async end(): Promise<void> {
      closeSync(file);
      rmSync(path);
      await watcher.terminate();
    },
  };
}

const WATCHER = `
const { workerData: { current, name, seed, hangMs } } = require("node:worker_threads");
const { writeSync } = require("node:fs");
let last = -2;
setInterval(() => {
  const now = Atomics.load(current, 0);
  if (now === last) {
    writeSync(2, "\\n" + name + ", seed " + seed + ", case " + now + ": runs for more than " + hangMs + " ms\\n");
    process.kill(process.pid, "SIGKILL");
  }
  last = now;
}, hangMs);
`;
