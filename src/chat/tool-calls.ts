/**
 * Finds tool calls in a stream of text, in all the forms that the served models write. Text around them is kept, byte
 * for byte, and held back no longer than it could still be the start of a call.
 */
import { CodeBlocks } from "./code-blocks.js";
import type { ToolDefinition } from "./messages.js";
import type { Candidate, StreamEnd } from "./tool-call-candidate.js";
import { BareJsonCandidate, FencedJsonCandidate, OPENING_FENCE, OPENING_FENCE_START } from "./tool-call-json.js";
import { DeclaredTools, type ToolCallPart } from "./tool-call-parts.js";
import { BareXmlCandidate, TaggedCandidate } from "./tool-call-tagged.js";

export type { ToolCallPart } from "./tool-call-parts.js";

export interface ToolCallParser {
  push(text: string): ToolCallPart[];
  /** What was held back. `truncated`: the token limit cut the stream. */
  end(options?: { truncated?: boolean }): ToolCallPart[];
}

/** For streams whose request declared tools; without tools, text is text. */
export function createToolCallParser({ tools }: { tools: readonly ToolDefinition[] }): ToolCallParser {
  const parser = new Parser(new DeclaredTools(tools));
  return {
    push: (text) => parser.push(text),
    end: ({ truncated = false } = {}) => parser.push("", { truncated }),
  };
}

/** Characters that a call can begin with. */
const TRIGGER = /[<`{]/;
/** Characters that a call can end with. */
const ENDING = /[}>`]/;
/** A call this long is not looked at again for every few characters: each look copies it. */
const LONG_CALL = 4096;
const LONG_CALL_SHARE = 1 / 64;

class Parser {
  readonly #tools: DeclaredTools;
  readonly #openers: [tag: string, create: (quoted: boolean) => Candidate][];
  #text = "";
  #candidate: Candidate | undefined;
  /** How much of the text the candidate has seen. */
  #seen = 0;
  /** Objects in a block of code are somebody's data. */
  readonly #code = new CodeBlocks();
  #lastCharacter = "";

  constructor(tools: DeclaredTools) {
    this.#tools = tools;
    this.#openers = [
      ["<tool_call>", (quoted) => new TaggedCandidate(tools, "tool_call", quoted)],
      ["<tools>", (quoted) => new TaggedCandidate(tools, "tools", quoted)],
      ["<function=", (quoted) => new BareXmlCandidate(tools, quoted)],
    ];
  }

  push(text: string, end?: StreamEnd): ToolCallPart[] {
    this.#text += text;
    if (!end && this.#candidate && this.#canWait(text)) return [];
    const parts: ToolCallPart[] = [];
    while (this.#text !== "") {
      if (!this.#candidate) {
        const at = this.#text.search(TRIGGER);
        if (at !== 0) {
          this.#emitText(parts, at < 0 ? this.#text.length : at);
          continue;
        }
        const started = this.#start();
        if (started === "wait" && !end) break;
        if (started === "wait" || started === undefined) {
          this.#emitText(parts, 1);
          continue;
        }
        this.#candidate = started;
      }
      const verdict = this.#candidate.feed(this.#text, end);
      this.#seen = this.#text.length;
      if (verdict.kind === "wait") break;
      this.#candidate = undefined;
      if (verdict.kind === "text") {
        this.#emitText(parts, verdict.end);
      } else {
        parts.push(...verdict.parts);
        this.#consume(verdict.end);
      }
    }
    return parts;
  }

  #canWait(piece: string): boolean {
    if (this.#seen < LONG_CALL || ENDING.test(piece)) return false;
    return this.#text.length - this.#seen < this.#seen * LONG_CALL_SHARE;
  }

  /** What the text's first character begins: a candidate, nothing, or it can't be told yet. */
  #start(): Candidate | "wait" | undefined {
    const text = this.#text;
    const quoted = this.#lastCharacter === "`";
    switch (text[0]) {
      case "<": {
        const opener = this.#openers.find(([tag]) => text.startsWith(tag));
        if (opener) return opener[1](quoted);
        return this.#openers.some(([tag]) => tag.startsWith(text)) ? "wait" : undefined;
      }
      case "`":
        if (this.#code.inBlock || !this.#code.lineIsBlank) return undefined;
        if (OPENING_FENCE.test(text)) return new FencedJsonCandidate(this.#tools);
        return OPENING_FENCE_START.test(text) ? "wait" : undefined;
      default:
        if (this.#code.inBlock || this.#code.lineOpensBlock || quoted) return undefined;
        return new BareJsonCandidate(this.#tools);
    }
  }

  #emitText(parts: ToolCallPart[], length: number): void {
    const text = this.#text.slice(0, length);
    const last = parts.at(-1);
    if (last?.type === "text-delta") last.text += text;
    else parts.push({ type: "text-delta", text });
    this.#code.push(text);
    this.#lastCharacter = text.at(-1) ?? "";
    this.#text = this.#text.slice(length);
  }

  #consume(length: number): void {
    this.#lastCharacter = "";
    this.#code.skip();
    this.#text = this.#text.slice(length);
  }
}
