/**
 * JSON whose integers are larger than a JavaScript number holds, as ids of 19 digits are: the object that is parsed from
 * such a text has rounded ones, and remembers the text.
 */
import { randomBytes } from "node:crypto";

const texts = new WeakMap<object, string>();

/** A text, or a number outside of one. */
const TEXT_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;

/** As `JSON.parse`, of which `pick` takes the object that is wanted. */
export function parseExact(json: string, pick: (value: unknown) => unknown = (value) => value): unknown {
  const value = pick(JSON.parse(json));
  if (typeof value !== "object" || value === null) return value;
  // Written as texts that nobody else can have written, and back.
  const mark = randomBytes(12).toString("hex");
  let isRounded = false;
  const marked = json.replace(TEXT_OR_NUMBER, (literal) => {
    if (!/^-?\d+$/.test(literal) || Number.isSafeInteger(Number(literal))) return literal;
    isRounded = true;
    return `"${mark}${literal}"`;
  });
  if (isRounded) {
    const exact = JSON.stringify(pick(JSON.parse(marked)));
    texts.set(value, exact.replaceAll(new RegExp(`"${mark}(-?\\d+)"`, "g"), "$1"));
  }
  return value;
}

/** As `JSON.stringify`, of a plain object; with the very integers of the text, where it was parsed by `parseExact`. */
export function stringifyExact(value: object): string {
  return texts.get(value) ?? JSON.stringify(value);
}
