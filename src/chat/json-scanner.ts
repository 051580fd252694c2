/**
 * Follows a JSON object through a text that grows, without parsing it: where it ends, whether it still can be one, and
 * the `name` of the call that it may be. What it lets through is still parsed as JSON afterwards.
 */

export type ScanState = "open" | "done" | "malformed";

/** An object or array that isn't closed yet. */
interface Container {
  closer: "}" | "]";
  expects: "key" | "colon" | "value" | "comma";
}

export class JsonScanner {
  /** Next character to look at; after `done`, one past the closing brace; after `malformed`, what doesn't fit. */
  at: number;
  state: ScanState = "open";
  /** The value of the first `name` at the top level, as far as it has come, and where it begins. */
  name = "";
  nameStart = 0;
  nameComplete = false;
  hasArguments = false;
  /** Where a line break or other control character stands in a string: no JSON, but the string goes on. */
  brokenAt: number | undefined;

  readonly #containers: Container[] = [];
  #inString = false;
  #escaped = false;
  #stringStart = 0;
  /** In a number, true, false or null. Python's names pass too; the parser reports them. */
  #inWord = false;
  /** Of the top level. */
  #key = "";

  /** `start` is the index of the opening brace. */
  constructor(start: number) {
    this.at = start;
  }

  /** @param pastBreak False: no further than where a string breaks, so that what follows isn't read for nothing. */
  scan(text: string, { pastBreak = true } = {}): ScanState {
    while (this.state === "open" && this.at < text.length && (pastBreak || this.brokenAt === undefined)) {
      if (this.#inString) this.#stringCharacter(text);
      else this.state = this.#outsideCharacter(text);
      if (this.state !== "malformed") this.at++;
    }
    return this.state;
  }

  get #isTopLevel(): boolean {
    return this.#containers.length === 1;
  }

  /** In the value of `name`. */
  get #isName(): boolean {
    return this.#isTopLevel && this.#containers[0]?.expects === "value" && this.#key === "name" && !this.nameComplete;
  }

  #stringCharacter(text: string): void {
    const character = text[this.at] as string;
    if (character < " ") this.brokenAt ??= this.at;
    if (this.#isName) {
      this.nameStart = this.#stringStart;
      this.name = text.slice(this.#stringStart, this.at);
    }
    if (this.#escaped) this.#escaped = false;
    else if (character === "\\") this.#escaped = true;
    else if (character === '"') this.#endString(text);
  }

  #endString(text: string): void {
    this.#inString = false;
    const container = this.#containers.at(-1) as Container;
    if (container.expects === "key") {
      container.expects = "colon";
      if (!this.#isTopLevel) return;
      this.#key = text.slice(this.#stringStart, this.at);
      if (this.#key === "arguments") this.hasArguments = true;
    } else {
      if (this.#isName) this.nameComplete = true;
      container.expects = "comma";
    }
  }

  #outsideCharacter(text: string): ScanState {
    const character = text[this.at] as string;
    if (/\s/.test(character)) {
      this.#inWord = false;
      return "open";
    }
    const container = this.#containers.at(-1);
    if (container && !this.#fits(character, container)) return "malformed";
    if (character === '"') {
      this.#inString = true;
      this.#stringStart = this.at + 1;
    } else if (character === "{") {
      this.#containers.push({ closer: "}", expects: "key" });
    } else if (character === "[") {
      this.#containers.push({ closer: "]", expects: "value" });
    } else if (character === container?.closer) {
      this.#containers.pop();
      if (this.#containers.length === 0) return "done";
    }
    return "open";
  }

  /** Whether the character may stand in the container as far as it has come, which it takes a step further. */
  #fits(character: string, container: Container): boolean {
    const inWord = this.#inWord;
    this.#inWord = false;
    switch (container.expects) {
      case "key":
        return character === '"' || character === container.closer;
      case "colon":
        container.expects = "value";
        return character === ":";
      case "value":
        if (character === '"') return true;
        if (character === "]") return container.closer === "]";
        container.expects = "comma";
        this.#inWord = /[-0-9a-zA-Z]/.test(character);
        return this.#inWord || character === "{" || character === "[";
      case "comma":
        if (character === ",") {
          container.expects = container.closer === "}" ? "key" : "value";
          return true;
        }
        this.#inWord = inWord && /[0-9a-zA-Z.+-]/.test(character);
        return this.#inWord || character === container.closer;
    }
  }
}
