/** Calls in tags: `<tool_call>` around JSON or XML, `<tools>` around JSON, and XML without the tag around it. */
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
import { CUT_OFF, type DeclaredTools } from "./tool-call-parts.js";
import { FUNCTION_CLOSE, FUNCTION_OPEN, XmlCall } from "./tool-call-xml.js";

const TOOL_CALL_CLOSE = "</tool_call>";
/** A tag with nothing of a call behind it is only named, unless its closing tag follows within so many characters. */
const MAX_STRAY_LENGTH = 1024;

/** `<tool_call>…</tool_call>` and `<tools>…</tools>`. */
export class TaggedCandidate implements Candidate {
  readonly #tools: DeclaredTools;
  readonly #open: string;
  readonly #close: string;
  readonly #quoted: boolean;
  #body: JsonScanner | XmlCall | undefined;
  #malformed: string | undefined;
  /** Where to look on for the closing tag of a malformed call. */
  #searchFrom = 0;

  /** @param quoted A backtick stands before the tag: it is named, unless a whole call follows. */
  constructor(tools: DeclaredTools, tag: "tool_call" | "tools", quoted: boolean) {
    this.#tools = tools;
    this.#quoted = quoted;
    this.#open = `<${tag}>`;
    this.#close = `</${tag}>`;
  }

  feed(text: string, end?: StreamEnd): Verdict {
    if (this.#malformed !== undefined) return this.#untilClose(text, this.#malformed, end);
    if (!this.#body) {
      const at = skipSpace(text, this.#open.length);
      if (text[at] === "{") this.#body = new JsonScanner(at);
      else if (this.#open !== "<tool_call>") return at < text.length || end ? this.#asText : WAIT;
      else {
        const xml = standsAt(text, at, FUNCTION_OPEN);
        if (xml === "no") return this.#untilClose(text, "expected a JSON object or <function=", end, at);
        if (xml === "partly") return !end ? WAIT : this.#quoted ? this.#asText : invalid(text, CUT_OFF);
        this.#body = new XmlCall(at);
      }
    }
    return this.#body instanceof JsonScanner ? this.#json(text, this.#body, end) : this.#xml(text, this.#body, end);
  }

  get #asText(): Verdict {
    return { kind: "text", end: this.#open.length };
  }

  #json(text: string, scanner: JsonScanner, end: StreamEnd | undefined): Verdict {
    const state = scanner.scan(text);
    // Once it can't be JSON any more, the quotes tell nothing: the next closing tag ends it.
    if (scanner.brokenAt !== undefined) return this.#untilClose(text, "malformed JSON", end, scanner.brokenAt);
    if (state === "malformed") return this.#untilClose(text, "malformed JSON", end, scanner.at);
    if (state === "open") return end ? this.#untilClose(text, CUT_OFF, end) : WAIT;
    const at = skipSpace(text, scanner.at);
    const closes = standsAt(text, at, this.#close);
    const json = text.slice(this.#open.length, scanner.at);
    if (closes === "yes") {
      const stop = at + this.#close.length;
      return call(this.#tools.fromJson(json, text.slice(0, stop)), stop);
    }
    if (closes === "no") return this.#untilClose(text, `expected ${this.#close} after the JSON object`, end, at);
    if (!end) return WAIT;
    if (end.truncated) return invalid(text, CUT_OFF);
    return call(this.#tools.fromJson(json, text), text.length);
  }

  #xml(text: string, xml: XmlCall, end: StreamEnd | undefined): Verdict {
    const state = xml.scan(text);
    if (state === "malformed") return this.#untilClose(text, "expected <parameter= or </function>", end, xml.at);
    if (state === "open") return end ? this.#untilClose(text, CUT_OFF, end) : WAIT;
    const stop = afterClose(text, xml.at, end);
    if (stop === undefined) return WAIT;
    if (end?.truncated && !text.startsWith(TOOL_CALL_CLOSE, stop - TOOL_CALL_CLOSE.length))
      return invalid(text, CUT_OFF);
    return call(this.#tools.fromTexts(xml.name ?? "", xml.values, text.slice(0, stop)), stop);
  }

  /** What is malformed ends at the next closing tag, wherever it stands. */
  #untilClose(text: string, reason: string, end: StreamEnd | undefined, from = this.#searchFrom): Verdict {
    if (this.#quoted) return this.#asText;
    this.#searchFrom = from;
    const at = text.indexOf(this.#close, Math.max(from, this.#open.length));
    if (this.#isStray && closingPlace(text, at, this.#close) > MAX_STRAY_LENGTH) return this.#asText;
    if (at >= 0) {
      const raw = text.slice(0, at + this.#close.length);
      return invalid(raw, this.#reasonOf(text.slice(this.#open.length, at), raw, reason));
    }
    if (end) return invalid(text, end.truncated ? CUT_OFF : reason);
    this.#malformed = reason;
    this.#searchFrom = Math.max(from, text.length - this.#close.length + 1);
    return WAIT;
  }

  get #isStray(): boolean {
    return this.#body === undefined || (this.#body instanceof XmlCall && !this.#body.hasParameter);
  }

  /** The JSON parser tells best what is wrong. */
  #reasonOf(body: string, raw: string, reason: string): string {
    if (!(this.#body instanceof JsonScanner)) return reason === CUT_OFF ? "the call does not end" : reason;
    const part = this.#tools.fromJson(body, raw);
    return part.type === "invalid-tool-call" ? part.reason : reason;
  }
}

/** `<function=…>…</function>` with no tag before it; one after it is the call's too. */
export class BareXmlCandidate implements Candidate {
  readonly #tools: DeclaredTools;
  readonly #quoted: boolean;
  readonly #xml = new XmlCall(0);

  /** @param quoted A backtick stands before the tag: it is named, unless a whole call follows. */
  constructor(tools: DeclaredTools, quoted: boolean) {
    this.#tools = tools;
    this.#quoted = quoted;
  }

  feed(text: string, end?: StreamEnd): Verdict {
    const xml = this.#xml;
    const state = xml.scan(text);
    if (state === "done") {
      const stop = afterClose(text, xml.at, end);
      if (stop === undefined) return WAIT;
      return call(this.#tools.fromTexts(xml.name ?? "", xml.values, text.slice(0, stop)), stop);
    }
    if (xml.name === undefined && (state === "malformed" || end)) return { kind: "text", end: 1 };
    if (state === "malformed") {
      const close = text.indexOf(FUNCTION_CLOSE, xml.at);
      if (this.#isStray(closingPlace(text, close, FUNCTION_CLOSE))) return { kind: "text", end: 1 };
      const stop = close < 0 ? end && text.length : afterClose(text, close + FUNCTION_CLOSE.length, end);
      return stop === undefined ? WAIT : invalid(text.slice(0, stop), "expected <parameter= or </function>");
    }
    if (!end) return WAIT;
    return this.#quoted ? { kind: "text", end: 1 } : invalid(text, CUT_OFF);
  }

  /** The tag is only named: nothing of a call follows it. */
  #isStray(end: number): boolean {
    if (this.#quoted) return true;
    return !this.#xml.hasParameter && (!this.#tools.has(this.#xml.name ?? "") || end > MAX_STRAY_LENGTH);
  }
}

/** Where the closing tag stands, or the first place where it still can. */
function closingPlace(text: string, at: number, close: string): number {
  return at < 0 ? text.length - close.length + 1 : at;
}

/** One past a `</tool_call>` that stands at `at`, after whitespace, or `at`; undefined when that can't be told yet. */
function afterClose(text: string, at: number, end: StreamEnd | undefined): number | undefined {
  const tag = skipSpace(text, at);
  const closes = standsAt(text, tag, TOOL_CALL_CLOSE);
  if (closes === "yes") return tag + TOOL_CALL_CLOSE.length;
  return closes === "partly" && !end ? undefined : at;
}
