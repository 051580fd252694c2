/** Calls written as JSON without tags of their own: a bare object, or objects in a fenced block. */
import { JsonScanner } from "./json-scanner.js";
import {
  type Candidate,
  call,
  invalid,
  type StreamEnd,
  skipSpace,
  standsAt,
  type Verdict,
  WAIT,
} from "./tool-call-candidate.js";
import { CUT_OFF, type DeclaredTools, type ToolCallPart } from "./tool-call-parts.js";

/** Surely meant as a call: only what is wrong with it remains to be said. */
function isMeant(scanner: JsonScanner, tools: DeclaredTools): boolean {
  return scanner.nameComplete && scanner.hasArguments && tools.has(scanner.name);
}

/** Can't become a call any more: its name is no tool's. */
function isRuledOut(scanner: JsonScanner, tools: DeclaredTools): boolean {
  return scanner.nameComplete ? !tools.has(scanner.name) : !tools.someStartsWith(scanner.name);
}

/** `{"name": "a declared tool", "arguments": {…}}` in the text. */
export class BareJsonCandidate implements Candidate {
  readonly #tools: DeclaredTools;
  readonly #scanner = new JsonScanner(0);

  constructor(tools: DeclaredTools) {
    this.#tools = tools;
  }

  feed(text: string, end?: StreamEnd): Verdict {
    const scanner = this.#scanner;
    scanner.scan(text, { pastBreak: false });
    // What was looked at is text with it, and not looked at again for a call inside: nested braces would take for ever.
    if (isRuledOut(scanner, this.#tools)) return { kind: "text", end: Math.max(1, scanner.nameStart) };
    const meant = isMeant(scanner, this.#tools);
    // A string that the line's end breaks was none, and a call may come after it.
    if (!meant && scanner.brokenAt !== undefined) return { kind: "text", end: scanner.brokenAt };
    const state = scanner.scan(text);
    if (state === "done") {
      const raw = text.slice(0, scanner.at);
      return meant ? call(this.#tools.fromJson(raw, raw), raw.length) : { kind: "text", end: raw.length };
    }
    if (state === "open" && !end) return WAIT;
    if (meant) return state === "open" ? invalid(text, CUT_OFF) : invalid(text.slice(0, scanner.at), "malformed JSON");
    return { kind: "text", end: scanner.at };
  }
}

const FENCE = "```";

/** Three backticks, nothing or `json`, and the end of the line. */
export const OPENING_FENCE = /^```(?:json)?[ \t]*\r?\n/;
/** What may still become one. */
export const OPENING_FENCE_START = /^(?:`{1,3}|```(?:j|js|jso|json)?[ \t]*\r?)$/;

/** A fenced block that holds calls and nothing else. */
export class FencedJsonCandidate implements Candidate {
  readonly #tools: DeclaredTools;
  #opening = 0;
  #at = 0;
  #scanner: JsonScanner | undefined;
  #parts: ToolCallPart[] = [];

  constructor(tools: DeclaredTools) {
    this.#tools = tools;
  }

  feed(text: string, end?: StreamEnd): Verdict {
    if (this.#opening === 0) {
      this.#opening = OPENING_FENCE.exec(text)?.[0].length ?? FENCE.length;
      this.#at = this.#opening;
    }
    for (;;) {
      if (!this.#scanner) {
        const at = skipSpace(text, this.#at);
        if (text[at] !== "{") return this.#afterObjects(text, at, end);
        this.#scanner = new JsonScanner(at);
      }
      const verdict = this.#inObject(text, this.#scanner, end);
      if (verdict) return verdict;
    }
  }

  get #notACall(): Verdict {
    return { kind: "text", end: this.#opening };
  }

  /** Undefined when the object ended and was a call. */
  #inObject(text: string, scanner: JsonScanner, end: StreamEnd | undefined): Verdict | undefined {
    const state = scanner.scan(text);
    if (isRuledOut(scanner, this.#tools)) return this.#notACall;
    const over = state !== "open" || end !== undefined;
    if (!isMeant(scanner, this.#tools)) return over ? this.#notACall : WAIT;
    if (scanner.brokenAt !== undefined) return this.#broken(text, scanner.brokenAt, end);
    if (state === "malformed") return this.#broken(text, scanner.at, end);
    if (state === "done") {
      const raw = text.slice(this.#at, scanner.at).trim();
      this.#parts.push(this.#tools.fromJson(raw, raw));
      this.#at = scanner.at;
      this.#scanner = undefined;
      return undefined;
    }
    return end ? this.#endWith(text, text.length, CUT_OFF) : WAIT;
  }

  /** A broken call ends with its block: at the next backticks that begin a line. */
  #broken(text: string, from: number, end: StreamEnd | undefined): Verdict {
    const fence = text.indexOf(`\n${FENCE}`, from);
    if (fence < 0 && !end) return WAIT;
    return this.#endWith(text, fence < 0 ? text.length : fence + 1 + FENCE.length, "malformed JSON");
  }

  #endWith(text: string, stop: number, reason: string): Verdict {
    this.#parts.push({ type: "invalid-tool-call", raw: text.slice(this.#at, stop).trim(), reason });
    return { kind: "calls", end: stop, parts: this.#parts };
  }

  #afterObjects(text: string, at: number, end: StreamEnd | undefined): Verdict {
    const fence = standsAt(text, at, FENCE);
    if (fence === "partly" && !end) return WAIT;
    if (fence === "no" || this.#parts.length === 0) return this.#notACall;
    return { kind: "calls", end: fence === "yes" ? at + FENCE.length : text.length, parts: this.#parts };
  }
}
