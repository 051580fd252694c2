import os from "node:os";

/** A failure that the user can do something about: printed as its message, without a stack. */
export class SetupError extends Error {
  exitCode = 1;
}

/** The end that the user asked for, with Ctrl-C or a signal. */
export class Interruption extends SetupError {
  constructor(signal) {
    super("Interrupted.");
    this.exitCode = 128 + os.constants.signals[signal];
  }
}

/** One line of progress, on stderr: stdout belongs to what is being run. */
export function progress(line) {
  process.stderr.write(`punie: ${line}\n`);
}

/** Runs a script's main function; a failure ends the process with a readable message and its exit code. */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    process.stderr.write(`\n${error instanceof SetupError ? error.message : (error?.stack ?? error)}\n`);
    process.exitCode = error?.exitCode ?? 1;
  }
}
