/** The forms that a call can have share this: a piece of text that may yet turn out to be one. */
import type { ToolCallPart } from "./tool-call-parts.js";

/** The stream's end: `truncated` when the token limit cut it. */
export interface StreamEnd {
  truncated: boolean;
}

export type Verdict =
  /** More text decides. */
  | { kind: "wait" }
  /** The text up to `end` is these parts. */
  | { kind: "calls"; end: number; parts: ToolCallPart[] }
  /** The text up to `end` is no call. */
  | { kind: "text"; end: number };

export interface Candidate {
  /**
   * Looks at the text from the candidate's first character on. Each call gets the same text, grown; at the stream's end
   * the answer is never `wait`.
   */
  feed(text: string, end?: StreamEnd): Verdict;
}

export const WAIT: Verdict = { kind: "wait" };

export function call(part: ToolCallPart, end: number): Verdict {
  return { kind: "calls", end, parts: [part] };
}

export function invalid(raw: string, reason: string): Verdict {
  return call({ type: "invalid-tool-call", raw, reason }, raw.length);
}

/** Index of the first character from `from` on that is no whitespace; the length when there is none. */
export function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && /\s/.test(text[at] as string)) at++;
  return at;
}

/** Whether `wanted` stands at `at`: yes, no, or not to be told yet because the text ends inside it. */
export function standsAt(text: string, at: number, wanted: string): "yes" | "no" | "partly" {
  if (text.startsWith(wanted, at)) return "yes";
  return text.length - at < wanted.length && wanted.startsWith(text.slice(at)) ? "partly" : "no";
}
