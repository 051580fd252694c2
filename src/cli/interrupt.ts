import { constants } from "node:os";
import { PunieError } from "../errors.js";

export type InterruptSignal = "SIGINT" | "SIGTERM";

/** The user, or the system, asked the command to stop. */
export class Interruption extends PunieError {
  /** What a shell expects of a program that this signal ended: 130 or 143. */
  readonly exitCode: number;

  constructor(signal: InterruptSignal) {
    super("ABORTED", signal === "SIGINT" ? "Interrupted." : "Stopped by SIGTERM.");
    this.exitCode = 128 + constants.signals[signal];
  }
}

/**
 * Runs a command that Ctrl-C and SIGTERM stop in order: the first aborts the signal with an `Interruption`, and the
 * command has its time to put things right; the second ends the process at once. An interrupted command is no error:
 * the rejection with the signal's reason ends here, as the exit code.
 */
export async function interruptible(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const listen = (name: InterruptSignal) => () => {
    const interruption = new Interruption(name);
    if (controller.signal.aborted) process.exit(interruption.exitCode);
    controller.abort(interruption);
  };
  const listeners = { SIGINT: listen("SIGINT"), SIGTERM: listen("SIGTERM") };
  for (const [name, listener] of Object.entries(listeners)) process.on(name, listener);
  try {
    await run(controller.signal);
  } catch (error) {
    if (!controller.signal.aborted || error !== controller.signal.reason) throw error;
  } finally {
    for (const [name, listener] of Object.entries(listeners)) process.removeListener(name, listener);
    const { reason } = controller.signal;
    if (reason instanceof Interruption) process.exitCode = reason.exitCode;
  }
}
