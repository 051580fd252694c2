import { spawn } from "node:child_process";

/**
 * Runs a command to its end, its output on stderr, and gives its exit code; undefined when it could not be started.
 * An aborted `signal` ends the command and rejects with the signal's reason, once the command is gone.
 * @param {string} command
 * @param {string[]} args
 * @param {AbortSignal} signal
 * @returns {Promise<number | undefined>}
 */
export async function runChild(command, args, signal) {
  signal.throwIfAborted();
  const child = spawn(command, args, { stdio: ["ignore", 2, 2] });
  const stop = () => child.kill("SIGINT");
  signal.addEventListener("abort", stop, { once: true });
  try {
    const code = await new Promise((resolve) => {
      child.once("error", () => resolve(undefined));
      child.once("close", (exitCode) => resolve(exitCode ?? 1));
    });
    signal.throwIfAborted();
    return code;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
