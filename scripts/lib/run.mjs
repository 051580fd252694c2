import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { Interruption, progress, SetupError } from "./report.mjs";

const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Runs a command to its end with its output on stderr. Rejects with a `SetupError` when it fails, and with
 * an `Interruption` when this process is told to stop meanwhile.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, hint?: string }} [options] `hint`: what to do when it fails
 */
export async function run(command, args, { cwd, env, hint } = {}) {
  const code = await exitCode(spawn(command, args, { cwd, env, stdio: ["ignore", 2, 2], detached: true }), command);
  if (code !== 0) throw new SetupError(failure(command, args, code, hint));
}

/** How often a long command is told to go on. */
const TELL_EVERY_MS = 30_000;

/**
 * Like `run`, with the output kept in a file and shown only when the command fails.
 * @param {string} logFile
 * @param {{ tell?: (line: string) => string | undefined }} [options] `tell`: how far the command is, by one of its lines
 */
export async function runLogged(logFile, command, args, { cwd, env, hint, tell } = {}) {
  fs.mkdirSync(path.dirname(logFile), { recursive: true });
  const log = fs.openSync(logFile, "w");
  const telling = tell && setInterval(() => tellOf(logFile, tell), TELL_EVERY_MS);
  let code;
  try {
    code = await exitCode(spawn(command, args, { cwd, env, stdio: ["ignore", log, log], detached: true }), command);
  } finally {
    clearInterval(telling);
    fs.closeSync(log);
  }
  if (code !== 0) {
    process.stderr.write(fs.readFileSync(logFile, "utf8"));
    throw new SetupError(failure(command, args, code, hint));
  }
}

function tellOf(logFile, tell) {
  const lines = fs.readFileSync(logFile, "utf8").trimEnd().split("\n");
  const text = lines.map(tell).findLast((told) => told !== undefined);
  if (text !== undefined) progress(`... ${text}`);
}

/** stdout of a short command, or undefined when it is not there or fails. */
export function output(command, args) {
  const result = spawnSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  return result.status === 0 ? result.stdout : undefined;
}

async function exitCode(child, command) {
  let stoppedBy;
  // Told to stop, a build takes its compilers with it, or they would go on in a directory that is no longer locked.
  // The child leads a process group of its own (detached), because cmake-js passes no signal on.
  const stop = (signal) => {
    // npm takes its time to stop.
    if (stoppedBy === undefined) progress("stopping...");
    stoppedBy = signal;
    signalGroup(child.pid, signal);
  };
  for (const signal of STOP_SIGNALS) process.on(signal, stop);
  try {
    return await new Promise((resolve, reject) => {
      child.on("error", (error) => reject(new SetupError(`Could not run ${command}: ${error.message}`)));
      child.on("close", (code, signal) => {
        if (stoppedBy) reject(new Interruption(stoppedBy));
        else resolve(code ?? signal);
      });
    });
  } finally {
    for (const signal of STOP_SIGNALS) process.off(signal, stop);
  }
}

function signalGroup(leader, signal) {
  try {
    if (leader !== undefined) process.kill(-leader, signal);
  } catch {
    // It has ended, which is what was wanted.
  }
}

function failure(command, args, code, hint) {
  const line = `${path.basename(command)} ${args.join(" ")} failed (${code}).`;
  return hint ? `${line}\n${hint}` : line;
}
