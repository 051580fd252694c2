/** The built `punie`, run as a user runs it: a process of its own. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export interface RunOptions {
  /** Written to stdin, which then ends. */
  input?: string;
  env?: Record<string, string>;
  /** Modules that Node loads first. */
  preload?: string[];
}

export interface RunResult {
  stdout: string;
  stderr: string;
  /** Null when a signal ended it. */
  exitCode: number | null;
}

/** The process, running. Nothing of the caller's own models or settings reaches it. */
export function startPunie(
  args: readonly string[],
  { env, preload = [] }: RunOptions = {},
): ChildProcessWithoutNullStreams {
  const { PUNIE_MODEL: _, PUNIE_MODELS_DIR: __, ...inherited } = process.env;
  const required = preload.flatMap((file) => ["--require", file]);
  return spawn(process.execPath, [...required, MAIN, ...args], { env: { ...inherited, NO_COLOR: "1", ...env } });
}

export async function runPunie(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const child = startPunie(args, options);
  const ended = finished(child);
  child.stdin.end(options.input ?? "");
  return ended;
}

/** What the process has written when it ends. */
export async function finished(child: ChildProcessWithoutNullStreams): Promise<RunResult> {
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [exitCode] = (await once(child, "close")) as [number | null];
  return { stdout, stderr, exitCode };
}

/** Resolves once the process has written something that matches on stdout or stderr. */
export function untilWritten(child: ChildProcessWithoutNullStreams, pattern: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = "";
    const look = (chunk: Buffer | string) => {
      seen += chunk.toString();
      if (pattern.test(seen)) resolve();
    };
    child.stdout.on("data", look);
    child.stderr.on("data", look);
    child.once("close", () => reject(new Error(`ended without ${pattern}; it wrote: ${seen}`)));
  });
}
