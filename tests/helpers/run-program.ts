/** A program that uses the built package, in a process of its own. */
import { type ChildProcessWithoutNullStreams, type SpawnOptions, spawn } from "node:child_process";
import { finished, type RunResult } from "./run-punie.js";
import { TINY_MODEL } from "./tiny-model.js";

const PACKAGE = new URL("../../dist/index.js", import.meta.url).href;

/** What every program begins with: `loadModel`, `PACKAGE`, `MODEL`, and a request that goes on to the context's end. */
const PRELUDE = `
import { loadModel } from ${JSON.stringify(PACKAGE)};
const PACKAGE = ${JSON.stringify(PACKAGE)};
const MODEL = ${JSON.stringify(TINY_MODEL)};
const LONG = { prompt: [1, 2, 3], ignoreEos: true, maxTokens: 2045 };
`;

/** `flags`: Node's own. */
export type ProgramOptions = Pick<SpawnOptions, "detached" | "env"> & { flags?: readonly string[] };

/** @param source An ES module. @returns The process, running, its stdin at an end. */
export function startProgram(
  source: string,
  { flags = [], ...options }: ProgramOptions = {},
): ChildProcessWithoutNullStreams {
  const args = [...flags, "--input-type=module", "--eval", PRELUDE + source];
  const child = spawn(process.execPath, args, { ...options, stdio: "pipe" });
  child.stdin.end();
  return child;
}

/** @param source An ES module. @returns What it wrote, and its exit code: null when a signal, a crash for one, ended it. */
export async function runProgram(source: string, options: ProgramOptions = {}): Promise<RunResult> {
  return finished(startProgram(source, options));
}
