/** What is going on while there is nothing else to see: one line of a terminal, gone before anything follows. */
import { isNoteTerminal, noteText } from "./output.js";

const ERASE_LINE = "\r\u001b[2K";

export class StatusLine {
  #shown = false;

  /** Puts the text, short enough for any terminal, in place of the last. Nothing where stderr is no terminal. */
  show(text: string): void {
    if (!isNoteTerminal()) return;
    noteText(`${ERASE_LINE}${text}`);
    this.#shown = true;
  }

  clear(): void {
    if (this.#shown) noteText(ERASE_LINE);
    this.#shown = false;
  }
}
