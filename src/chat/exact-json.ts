/**
 * JSON whose numbers JavaScript does not keep as they were written: integers that are larger than it holds, as ids of 19
 * digits are, and floats such as 1.0, which Python writes back with their point. The object that is parsed from such a
 * text remembers it, for as long as nobody changes it.
 */
import { randomBytes } from "node:crypto";

/** The text that an object was parsed from, and what JavaScript makes of it. */
const texts = new WeakMap<object, { exact: string; plain: string }>();

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

function isKept(literal: string): boolean {
  const number = Number(literal);
  return /^-?\d+$/.test(literal) ? Number.isSafeInteger(number) : !Number.isInteger(number);
}

/** JSON in which numbers that would change are texts that nobody else can have written: their digits after `mark`. */
export interface MarkedJson {
  json: string;
  /** Undefined: there is no such number. */
  mark: string | undefined;
}

/** By hand: on a text of megabytes a regular expression for strings runs out of stack. */
export function markNumbers(json: string): MarkedJson {
  const mark = randomBytes(12).toString("hex");
  const pieces: string[] = [];
  let from = 0;
  let at = 0;
  while (at < json.length) {
    const character = json[at] as string;
    if (character === '"') {
      at = endOfString(json, at + 1);
      continue;
    }
    NUMBER.lastIndex = at;
    const literal = /[-\d]/.test(character) ? NUMBER.exec(json)?.[0] : undefined;
    if (literal !== undefined && !isKept(literal)) {
      pieces.push(json.slice(from, at), `"${mark}${literal}"`);
      from = at + literal.length;
    }
    at += literal?.length ?? 1;
  }
  return pieces.length === 0 ? { json, mark: undefined } : { json: pieces.join("") + json.slice(from), mark };
}

/** One past the quote that ends the string. */
function endOfString(json: string, start: number): number {
  for (let at = start; ; ) {
    const quote = json.indexOf('"', at);
    if (quote < 0) return json.length;
    let slashes = 0;
    while (json[quote - 1 - slashes] === "\\") slashes++;
    if (slashes % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}

/** As `JSON.parse`. What remembers its text is the value, or that member of it. */
export function parseExact(json: string, member?: string): unknown {
  const value: unknown = JSON.parse(json);
  const { json: marked, mark } = markNumbers(json);
  if (mark === undefined) return value;
  const part = (of: unknown) => (member === undefined ? of : (of as Record<string, unknown> | null)?.[member]);
  const kept = part(value);
  if (typeof kept === "object" && kept !== null) {
    const text = JSON.stringify(part(JSON.parse(marked)));
    const exact = text.replaceAll(new RegExp(`"${mark}([^"]+)"`, "g"), "$1");
    texts.set(kept, { exact, plain: JSON.stringify(kept) });
  }
  return value;
}

/** As `JSON.stringify`; objects in it that were parsed by `parseExact`, and not changed since, are as they were written. */
export function stringifyExact(value: object): string {
  const mark = randomBytes(12).toString("hex");
  const found: string[] = [];
  const json = JSON.stringify(value, (_, item: unknown) => {
    const text = typeof item === "object" && item !== null ? texts.get(item) : undefined;
    if (text === undefined || JSON.stringify(item) !== text.plain) return item;
    return `${mark}${found.push(text.exact) - 1}`;
  });
  return found.length === 0 ? json : json.replaceAll(new RegExp(`"${mark}(\\d+)"`, "g"), (_, i) => found[i] as string);
}
