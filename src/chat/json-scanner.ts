/**
 * Follows a JSON object through a text that grows, without parsing it: where it ends, whether it still can be one, and
 * the `name` of the call that it may be. What it lets through is still parsed as JSON afterwards.
 */

export type ScanState = "open" | "done" | "malformed";

/** Outside strings: structure, numbers, true, false, null. Python's names pass too; the parser reports them. */
const OUTSIDE = /[\s{}[\],:"0-9+\-.a-zA-Z]/;

export class JsonScanner {
  /** Next character to look at; after `done`, one past the closing brace; after `malformed`, what doesn't fit. */
  at: number;
  state: ScanState = "open";
  /** The value of the first `name` at the top level, as far as it has come. */
  name = "";
  nameComplete = false;
  hasArguments = false;
  /** Where a line break or other control character stands in a string: no JSON, but the string goes on. */
  brokenAt: number | undefined;

  #closers: string[] = [];
  #inString = false;
  #escaped = false;
  #stringStart = 0;
  /** At the top level: what comes next. */
  #expects: "key" | "colon" | "value" | "comma" = "key";
  #key = "";

  /** `start` is the index of the opening brace. */
  constructor(start: number) {
    this.at = start;
  }

  scan(text: string): ScanState {
    while (this.state === "open" && this.at < text.length) {
      if (this.#inString) this.#stringCharacter(text);
      else this.state = this.#outsideCharacter(text);
      if (this.state !== "malformed") this.at++;
    }
    return this.state;
  }

  get #topLevel(): boolean {
    return this.#closers.length === 1;
  }

  #stringCharacter(text: string): void {
    const character = text[this.at] as string;
    if (character < " ") this.brokenAt ??= this.at;
    if (this.#topLevel && this.#expects === "value" && this.#key === "name" && !this.nameComplete) {
      this.name = text.slice(this.#stringStart, this.at);
    }
    if (this.#escaped) this.#escaped = false;
    else if (character === "\\") this.#escaped = true;
    else if (character === '"') this.#endString(text);
  }

  #endString(text: string): void {
    this.#inString = false;
    if (!this.#topLevel) return;
    if (this.#expects === "key") {
      this.#key = text.slice(this.#stringStart, this.at);
      if (this.#key === "arguments") this.hasArguments = true;
      this.#expects = "colon";
    } else {
      if (this.#key === "name") this.nameComplete = true;
      this.#expects = "comma";
    }
  }

  #outsideCharacter(text: string): ScanState {
    const character = text[this.at] as string;
    if (!OUTSIDE.test(character) || (this.#topLevel && !this.#fits(character))) return "malformed";
    if (character === '"') {
      this.#inString = true;
      this.#stringStart = this.at + 1;
    } else if (character === "{" || character === "[") {
      this.#closers.push(character === "{" ? "}" : "]");
    } else if (character === "}" || character === "]") {
      if (this.#closers.pop() !== character) return "malformed";
      if (this.#closers.length === 0) return "done";
      if (this.#topLevel) this.#expects = "comma";
    }
    return "open";
  }

  /** Whether the character may stand here at the top level; moves on to what comes next. */
  #fits(character: string): boolean {
    if (/\s/.test(character)) return true;
    switch (this.#expects) {
      case "key":
        return character === '"' || character === "}";
      case "colon":
        this.#expects = "value";
        return character === ":";
      case "value":
        if (character === '"' || character === "{" || character === "[") return true;
        this.#expects = "comma";
        return /[-0-9a-zA-Z]/.test(character);
      case "comma":
        if (character === ",") this.#expects = "key";
        // A number or a name goes on.
        return /[,}0-9a-zA-Z.+-]/.test(character);
    }
  }
}
