/**
 * JSON whose numbers JavaScript does not keep as they were written: integers that are larger than it holds, as ids of 19
 * digits are, and floats such as 1.0, which Python writes back with their point. The object that is parsed from such a
 * text remembers it.
 */
import { randomBytes } from "node:crypto";

const texts = new WeakMap<object, string>();

/** A text, or a number outside of one. */
const TEXT_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;

function isKept(literal: string): boolean {
  if (literal.startsWith('"')) return true;
  const number = Number(literal);
  return /^-?\d+$/.test(literal) ? Number.isSafeInteger(number) : !Number.isInteger(number);
}

/** JSON in which numbers that would change are texts that nobody else can have written: their digits after `mark`. */
export interface MarkedJson {
  json: string;
  /** Undefined: there is no such number. */
  mark: string | undefined;
}

export function markNumbers(json: string): MarkedJson {
  const mark = randomBytes(12).toString("hex");
  let isMarked = false;
  const marked = json.replace(TEXT_OR_NUMBER, (literal) => {
    if (isKept(literal)) return literal;
    isMarked = true;
    return `"${mark}${literal}"`;
  });
  return { json: marked, mark: isMarked ? mark : undefined };
}

/** As `JSON.parse`, of which `pick` takes the object that is wanted. */
export function parseExact(json: string, pick: (value: unknown) => unknown = (value) => value): unknown {
  const value = pick(JSON.parse(json));
  if (typeof value !== "object" || value === null) return value;
  const { json: marked, mark } = markNumbers(json);
  if (mark !== undefined) {
    const exact = JSON.stringify(pick(JSON.parse(marked)));
    texts.set(value, exact.replaceAll(new RegExp(`"${mark}([^"]+)"`, "g"), "$1"));
  }
  return value;
}

/** As `JSON.stringify`; objects in it that were parsed by `parseExact` are as they were written. */
export function stringifyExact(value: object): string {
  const mark = randomBytes(12).toString("hex");
  const found: string[] = [];
  const json = JSON.stringify(value, (_, item: unknown) => {
    const exact = typeof item === "object" && item !== null ? texts.get(item) : undefined;
    return exact === undefined ? item : `${mark}${found.push(exact) - 1}`;
  });
  return found.length === 0 ? json : json.replaceAll(new RegExp(`"${mark}(\\d+)"`, "g"), (_, i) => found[i] as string);
}
