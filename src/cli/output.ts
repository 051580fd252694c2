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

/** An error, on stderr, red on a terminal. Codes are for programs; people get the message, and of a fault of ours, all. */
export function complain(error: unknown): void {
  note(red(errorText(error)));
}

function errorText(error: unknown): string {
  if (error instanceof PunieError && error.code !== "INTERNAL") return error.message;
  if (!(error instanceof Error)) return String(error);
  const code = error instanceof PunieError ? ` (${error.code})` : "";
  return `This is a fault of punie${code}; please report it with what follows.\n${error.stack ?? error.message}`;
}

function red(text: string): string {
  return colour() ? `\u001b[31m${text}\u001b[39m` : text;
}

/** Text on stderr as it stands: help after a mistake, a piece of something that is not the answer. */
export function noteText(text: string): void {
  process.stderr.write(text);
}

/** As `noteText`, dimmed on a terminal: what the model thinks, for instance. */
export function noteDimmed(text: string): void {
  noteText(colour() ? `\u001b[2m${text}\u001b[22m` : text);
}

/** A mistake on the command line: red on a terminal. */
export function complainOfUsage(text: string): void {
  noteText(red(text));
}

/** Where a prompt is shown and edited: not stdout, which carries answers only. */
export const noteStream = process.stderr;

/** True when somebody reads stderr as it is written. */
export function isNoteTerminal(): boolean {
  return process.stderr.isTTY === true;
}

/**
 * A reader of stdout that leaves early (`| head`) has what it wanted: the process ends at once and quietly.
 * Node tells of it by an event, which would otherwise be thrown.
 */
export function leaveWhenStdoutCloses(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    // A full disk, for one: nothing of ours is at fault.
    note(red(`Can't write to stdout: ${error.message}.`));
    process.exit(1);
  });
  // Nobody is left to be told.
  process.stderr.on("error", () => {});
}
