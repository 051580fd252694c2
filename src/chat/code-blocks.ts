/**
 * Where a text that grows stands in Markdown's code: in a fenced block, or on a line that opens one. As CommonMark has
 * it (section 4.5), but for the indentation, which may be any, as in lists: a fence is three backticks or tildes or
 * more; no backtick follows a fence of backticks on its line; as many of the same, and nothing else, end the block.
 */
export class CodeBlocks {
  /** The fence that opened the block: its character and length. */
  #open: { character: string; length: number } | undefined;
  /** Of the current line: how many fence characters it begins with, and what of them. */
  #run = 0;
  #character = "";
  #place: "indentation" | "fence" | "rest" = "indentation";
  #restIsBlank = true;
  #restHasBacktick = false;

  /** In a fenced block. */
  get inBlock(): boolean {
    return this.#open !== undefined;
  }

  /** Nothing stands on the current line yet. */
  get lineIsBlank(): boolean {
    return this.#place === "indentation";
  }

  /** The current line, as far as it has come, opens a block. */
  get lineOpensBlock(): boolean {
    return !this.#open && this.#run >= 3 && !(this.#character === "`" && this.#restHasBacktick);
  }

  push(text: string): void {
    let from = 0;
    for (;;) {
      const end = text.indexOf("\n", from);
      this.#readLine(end < 0 ? text.slice(from) : text.slice(from, end));
      if (end < 0) return;
      this.#endLine();
      from = end + 1;
    }
  }

  /** Something that is not given as text stands on the current line: no fence begins here. */
  skip(): void {
    this.#place = "rest";
    this.#run = 0;
    this.#restIsBlank = false;
  }

  #readLine(text: string): void {
    let at = 0;
    for (; at < text.length && this.#place !== "rest"; at++) {
      const character = text[at] as string;
      if (this.#place === "indentation") {
        if (/\s/.test(character)) continue;
        this.#place = "fence";
        this.#character = character;
      }
      if (character !== this.#character || !/[`~]/.test(character)) {
        this.#place = "rest";
        break;
      }
      this.#run++;
    }
    const rest = text.slice(at);
    if (this.#restIsBlank && rest.trim() !== "") this.#restIsBlank = false;
    if (rest.includes("`")) this.#restHasBacktick = true;
  }

  #endLine(): void {
    if (this.lineOpensBlock) this.#open = { character: this.#character, length: this.#run };
    else if (this.#open?.character === this.#character && this.#run >= this.#open.length && this.#restIsBlank) {
      this.#open = undefined;
    }
    this.#run = 0;
    this.#character = "";
    this.#place = "indentation";
    this.#restIsBlank = true;
    this.#restHasBacktick = false;
  }
}
