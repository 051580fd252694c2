/** What a stream with tools consists of, and how a call's text becomes one of them. */
import { randomBytes } from "node:crypto";
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
      call = JSON.parse(json);
    } catch (error) {
      return { type: "invalid-tool-call", raw, reason: `malformed JSON: ${(error as Error).message}` };
    }
    const { name, arguments: given } = isObject(call) ? call : {};
    if (typeof name !== "string") return { type: "invalid-tool-call", raw, reason: "the call has no name" };
    // Some models write the arguments as JSON text.
    return this.#finish(name, typeof given === "string" ? parsedOr(given, given) : given, raw);
  }

  /** The part for a call whose values arrived as text: each is read as its parameter's schema says. */
  fromTexts(name: string, values: ReadonlyMap<string, string>, raw: string): ToolCallPart {
    const root = this.#parameters.get(name);
    const properties = isObject(root) && isObject(root.properties) ? root.properties : {};
    const entries = [...values].map(([key, text]) => {
      const schema = Object.hasOwn(properties, key) ? properties[key] : undefined;
      return [key, typedValue(text, schema, root)] as const;
    });
    return this.#finish(name, Object.fromEntries(entries), raw);
  }

  #finish(name: string, given: unknown, raw: string): ToolCallPart {
    if (!this.has(name)) {
      const known = [...this.#parameters.keys()].join(", ");
      return { type: "invalid-tool-call", raw, reason: `unknown tool '${name}'; declared: ${known}` };
    }
    if (!isObject(given)) return { type: "invalid-tool-call", raw, reason: "the call has no arguments object" };
    const reason = schemaProblem(given, this.#parameters.get(name));
    if (reason) return { type: "invalid-tool-call", raw, reason };
    return { type: "tool-call", id: `call_${randomBytes(12).toString("hex")}`, name, arguments: given };
  }
}

/** A type other than string is taken first where the text is one of its values; without a type, text is text. */
function typedValue(text: string, schema: unknown, root: unknown): unknown {
  const types = allowedTypes(schema, root);
  for (const type of types) {
    const value = readAs(type, text.trim());
    if (value !== undefined && schemaProblem(value, schema, "") === undefined) return value;
  }
  return text;
}

function readAs(type: string, text: string): unknown {
  switch (type) {
    case "boolean":
      // Models trained on Python write its names.
      return /^true$/i.test(text) ? true : /^false$/i.test(text) ? false : undefined;
    case "null":
      return /^(null|None)$/.test(text) ? null : undefined;
    case "integer":
    case "number": {
      const value = parsedOr(text, undefined);
      return typeof value === "number" ? value : undefined;
    }
    case "object":
    case "array":
      return parsedOr(text, undefined);
    default:
      return undefined;
  }
}

function parsedOr(text: string, fallback: unknown): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return fallback;
  }
}
