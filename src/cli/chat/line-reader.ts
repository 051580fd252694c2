/** Messages as a user types, pastes or pipes them. */
import { createInterface } from "node:readline";
import { Channel } from "../../api/channel.js";
import { noteStream, noteText } from "../output.js";

const PROMPT = ">>> ";
const MORE_PROMPT = "... ";
/** Bracketed paste: the terminal marks where a paste begins and ends (xterm's DECSET 2004). */
const PASTE_MARKS_ON = "\u001b[?2004h";
const PASTE_MARKS_OFF = "\u001b[?2004l";

export interface LineReader {
  /** Complete messages, in order; ends with the input (Ctrl-D on a terminal). */
  messages: AsyncIterable<string>;
  /** Shows the prompt, on a terminal. */
  prompt(): void;
  /** Forgets what is typed so far, and shows the prompt again. */
  discard(): void;
  close(): void;
}

/**
 * @param onInterrupt Called for each Ctrl-C; on a terminal it reaches us as a key, not as a signal.
 * @param onTyping Called for each other key, on a terminal.
 */
export function readLines(onInterrupt: () => void, onTyping: () => void): LineReader {
  const terminal = process.stdin.isTTY === true && noteStream.isTTY === true;
  const input = createInterface({ input: process.stdin, output: noteStream, terminal, prompt: terminal ? PROMPT : "" });
  const messages = new Channel<string>();
  let pasting = false;
  /** The cursor stands behind a prompt. */
  let prompted = false;
  let lines: string[] = [];
  const prompt = (text: string) => {
    if (!terminal) return;
    input.setPrompt(text);
    input.prompt();
    prompted = true;
  };
  input.on("line", (line) => {
    prompted = false;
    const goesOn = pasting || line.endsWith("\\");
    lines.push(!pasting && goesOn ? line.slice(0, -1) : line);
    if (goesOn) {
      if (!pasting) prompt(MORE_PROMPT);
      return;
    }
    const message = lines.join("\n");
    lines = [];
    messages.push(message);
  });
  input.on("close", () => {
    if (lines.length > 0) messages.push(lines.join("\n"));
    messages.end();
    if (terminal) noteText(PASTE_MARKS_OFF);
    if (prompted) noteText("\n");
  });
  input.on("SIGINT", onInterrupt);
  if (terminal) {
    noteText(PASTE_MARKS_ON);
    process.stdin.on("keypress", (_, key: { name?: string; ctrl?: boolean } | undefined) => {
      if (!(key?.ctrl && key.name === "c")) onTyping();
      if (key?.name === "paste-start") pasting = true;
      if (key?.name === "paste-end") pasting = false;
    });
  }
  return {
    messages,
    prompt: () => prompt(PROMPT),
    discard: () => {
      lines = [];
      // Readline's own key for "delete the line".
      if (terminal) input.write(null, { ctrl: true, name: "e" });
      if (terminal) input.write(null, { ctrl: true, name: "u" });
    },
    close: () => input.close(),
  };
}
