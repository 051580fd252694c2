/** What a stream with tools consists of, and how a call's text becomes one of them. */
import { randomBytes } from "node:crypto";
import { parseExact } from "./exact-json.js";
import { allowedTypes, isObject, schemaProblem } from "./json-schema.js";
import type { ToolDefinition } from "./messages.js";

export type ToolCallPart =
  | { type: "text-delta"; text: string }
  | { type: "tool-call"; id: string; name: string; arguments: Record<string, unknown> }
  | { type: "invalid-tool-call"; raw: string; reason: string };

/** Why a call that never ended is invalid. */
export const CUT_OFF = "the call was cut off before its end";

/** The declared tools, by name. */
export class DeclaredTools {
  readonly #parameters = new Map<string, unknown>();

  constructor(tools: readonly ToolDefinition[]) {
    for (const tool of tools) this.#parameters.set(tool.function.name, tool.function.parameters ?? {});
  }

  has(name: string): boolean {
    return this.#parameters.has(name);
  }

  /** True when a declared name begins like this. */
  someStartsWith(start: string): boolean {
    return [...this.#parameters.keys()].some((name) => name.startsWith(start));
  }

  /** The part for a call written as JSON text `{"name": …, "arguments": …}`. */
  fromJson(json: string, raw: string): ToolCallPart {
    let call: unknown;
    try {
      call = parseExact(json, "arguments");
    } catch (error) {
      return { type: "invalid-tool-call", raw, reason: `malformed JSON: ${(error as Error).message}` };
    }
    const { name, arguments: given } = isObject(call) ? call : {};
    if (typeof name !== "string") return { type: "invalid-tool-call", raw, reason: "the call has no name" };
    // Some models write the arguments as JSON text.
    return this.#finish(name, typeof given === "string" ? parsedOr(given, given, parseExact) : given, raw);
  }

  /** The part for a call whose values arrived as text: each is read as its parameter's schema says. */
  fromTexts(name: string, values: ReadonlyMap<string, string>, raw: string): ToolCallPart {
    const root = this.#parameters.get(name);
    const properties = isObject(root) && isObject(root.properties) ? root.properties : {};
    const members = [...values].map(([key, text]) => {
      const schema = Object.hasOwn(properties, key) ? properties[key] : undefined;
      return `${JSON.stringify(key)}:${typedJson(text, schema, root)}`;
    });
    return this.#finish(name, parsedOr(`{${members.join(",")}}`, undefined, parseExact), raw);
  }

  #finish(name: string, given: unknown, raw: string): ToolCallPart {
    if (!this.has(name)) {
      const known = [...this.#parameters.keys()].join(", ");
      return { type: "invalid-tool-call", raw, reason: `unknown tool '${name}'; declared: ${known}` };
    }
    if (!isObject(given)) return { type: "invalid-tool-call", raw, reason: "the call has no arguments object" };
    const reason = sizeProblem(given) ?? schemaProblem(given, this.#parameters.get(name));
    if (reason) return { type: "invalid-tool-call", raw, reason };
    return { type: "tool-call", id: `call_${randomBytes(12).toString("hex")}`, name, arguments: given };
  }
}

/** A type other than string is taken first where the text is one of its values; without a type, text is text. */
function typedJson(text: string, schema: unknown, root: unknown): string {
  const trimmed = text.trim();
  for (const type of allowedTypes(schema, root)) {
    const json = jsonOf(type, trimmed);
    const value = json === undefined ? undefined : parsedOr(json, undefined);
    if (json !== undefined && value !== undefined && schemaProblem(value, schema, "") === undefined) return json;
  }
  return JSON.stringify(text);
}

/** The JSON that the text is of such a type, if it may be one. */
function jsonOf(type: string, text: string): string | undefined {
  switch (type) {
    case "boolean":
      // Models trained on Python write its names.
      return /^(true|false)$/i.test(text) ? text.toLowerCase() : undefined;
    case "null":
      return /^(null|None)$/.test(text) ? "null" : undefined;
    case "integer":
    case "number":
      return /^[-\d]/.test(text) ? text : undefined;
    case "object":
    case "array":
      return text;
    default:
      return undefined;
  }
}

/** Nested deeper than any tool's arguments: what walks through them has only so much stack. */
const MAX_DEPTH = 256;

/** What JSON can't say, a number that is larger than any, and what is too deep. */
function sizeProblem(given: unknown): string | undefined {
  let level: [place: string, value: unknown][] = [["arguments", given]];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return `arguments: nested deeper than ${MAX_DEPTH} levels`;
    const next: typeof level = [];
    for (const [place, value] of level) {
      if (typeof value === "number" && !Number.isFinite(value)) return `${place}: the number is too large`;
      if (typeof value !== "object" || value === null) continue;
      for (const [key, item] of Object.entries(value)) {
        next.push([Array.isArray(value) ? `${place}[${key}]` : `${place}.${key}`, item]);
      }
    }
    level = next;
  }
  return undefined;
}

function parsedOr(text: string, fallback: unknown, parse: (text: string) => unknown = JSON.parse): unknown {
  try {
    return parse(text);
  } catch {
    return fallback;
  }
}
