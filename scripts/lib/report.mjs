/** A failure that the user can do something about: printed as its message, without a stack. */
export class SetupError extends Error {}

/** One line of progress, on stderr: stdout belongs to what is being run. */
export function progress(line) {
  process.stderr.write(`punie: ${line}\n`);
}

/** Runs a script's main function; a failure ends the process with code 1 and a readable message. */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    process.stderr.write(`\n${error instanceof SetupError ? error.message : (error?.stack ?? error)}\n`);
    process.exitCode = 1;
  }
}
