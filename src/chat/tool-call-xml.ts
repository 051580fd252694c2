/** `<function=N><parameter=K>V</parameter></function>`, Qwen3-Coder's way to write a call. */
import { skipSpace, standsAt } from "./tool-call-candidate.js";

export const FUNCTION_OPEN = "<function=";
export const FUNCTION_CLOSE = "</function>";
const PARAMETER_OPEN = "<parameter=";
const PARAMETER_CLOSE = "</parameter>";
const MAX_NAME_LENGTH = 256;

export type XmlState = "open" | "done" | "malformed";

export class XmlCall {
  /** After `done`, one past `</function>`. */
  at: number;
  name: string | undefined;
  readonly values = new Map<string, string>();
  #state: XmlState = "open";
  #parameter: string | undefined;
  #valueStart = 0;

  /** `start` is where `<function=` stands. */
  constructor(start: number) {
    this.at = start + FUNCTION_OPEN.length;
  }

  /** A parameter has begun: this is a call, and not only the name of its tag. */
  get hasParameter(): boolean {
    return this.values.size > 0 || this.#parameter !== undefined;
  }

  /** Reads on in the same text, grown. */
  scan(text: string): XmlState {
    if (this.#state === "open") this.#state = this.#read(text);
    return this.#state;
  }

  #read(text: string): XmlState {
    if (this.name === undefined) {
      const name = this.#tagName(text, this.at);
      if (typeof name !== "string") return name === undefined ? "open" : "malformed";
      this.name = name;
    }
    for (;;) {
      const state = this.#parameter === undefined ? this.#betweenParameters(text) : this.#inValue(text);
      if (state !== "next") return state;
    }
  }

  /** The name up to `>`, moving past it; undefined when it may still come, false when it can't. */
  #tagName(text: string, from: number): string | undefined | false {
    const end = text.indexOf(">", from);
    const name = text.slice(from, end < 0 ? text.length : end);
    if (/[<\n]/.test(name) || name.length > MAX_NAME_LENGTH) return false;
    if (end < 0) return undefined;
    this.at = end + 1;
    return name.trim();
  }

  #betweenParameters(text: string): XmlState | "next" {
    const at = skipSpace(text, this.at);
    const closes = standsAt(text, at, FUNCTION_CLOSE);
    if (closes === "yes") {
      this.at = at + FUNCTION_CLOSE.length;
      return "done";
    }
    const opens = standsAt(text, at, PARAMETER_OPEN);
    if (opens === "no") return closes === "no" ? "malformed" : "open";
    if (opens === "partly") return "open";
    const name = this.#tagName(text, at + PARAMETER_OPEN.length);
    if (typeof name !== "string") return name === undefined ? "open" : "malformed";
    this.#parameter = name;
    this.#valueStart = this.at;
    return "next";
  }

  /** The closing tag may stand in the value itself: the one that counts is followed by another tag of the call. */
  #inValue(text: string): XmlState | "next" {
    for (;;) {
      const close = text.indexOf(PARAMETER_CLOSE, this.at);
      if (close < 0) {
        this.at = Math.max(this.at, text.length - PARAMETER_CLOSE.length + 1);
        return "open";
      }
      const after = close + PARAMETER_CLOSE.length;
      const next = skipSpace(text, after);
      const follows = [PARAMETER_OPEN, FUNCTION_CLOSE].map((tag) => standsAt(text, next, tag));
      if (follows.includes("yes")) {
        this.values.set(this.#parameter as string, withoutOuterNewlines(text.slice(this.#valueStart, close)));
        this.#parameter = undefined;
        this.at = after;
        return "next";
      }
      if (follows.includes("partly")) {
        this.at = close;
        return "open";
      }
      this.at = after;
    }
  }
}

/** One newline at each end belongs to the format; a file's indentation and final newline survive. */
function withoutOuterNewlines(value: string): string {
  return value.replace(/^\r?\n/, "").replace(/\r?\n$/, "");
}
