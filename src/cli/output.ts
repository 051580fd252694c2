/** The only file that writes to stdout or stderr. stdout carries answers; all else goes to stderr. */
import { PunieError } from "../errors.js";

/** True when stderr may be coloured: a terminal, and NO_COLOR is unset or empty (https://no-color.org). */
function colour(): boolean {
  return process.stderr.isTTY === true && !process.env.NO_COLOR;
}

/** Writes to stdout as it stands: the answer, a report, a stream's next piece. */
export function answer(text: string): void {
  process.stdout.write(text);
}

/** One JSON document and a newline, on stdout. */
export function answerJson(value: unknown): void {
  answer(`${JSON.stringify(value, null, 2)}\n`);
}

/** A line of progress, advice or state, on stderr. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** An error, on stderr, red on a terminal. Codes are for programs; people get the message. */
export function complain(error: unknown): void {
  const text =
    error instanceof PunieError ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
  note(colour() ? `\u001b[31m${text}\u001b[39m` : text);
}
