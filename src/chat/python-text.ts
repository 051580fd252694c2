/** Values as Python writes them: `json.dumps`, `str` and `repr`, and `==`. */
import { DIGITS, entriesOf, isNumber, type JinjaValue, typeName } from "./jinja-values.js";

export interface JsonStyle {
  indent?: string | undefined;
  ensureAscii?: boolean | undefined;
  /** Item and key separator. */
  separators?: [string, string] | undefined;
  sortKeys?: boolean | undefined;
}

/** As `json.dumps`. Throws on what JSON can't hold. */
export function toPythonJson(value: JinjaValue, style: JsonStyle = {}, depth = 0): string {
  const [itemSeparator, keySeparator] = style.separators ?? [style.indent === undefined ? ", " : ",", ": "];
  const wrap = (open: string, items: string[], close: string) => {
    if (items.length === 0) return open + close;
    if (style.indent === undefined) return open + items.join(itemSeparator) + close;
    const inner = `\n${style.indent.repeat(depth + 1)}`;
    return `${open}${inner}${items.join(itemSeparator + inner)}\n${style.indent.repeat(depth)}${close}`;
  };
  const quote = (text: string) => (style.ensureAscii ? escapeNonAscii(JSON.stringify(text)) : JSON.stringify(text));
  const entries = entriesOf(value);
  if (entries) {
    const pairs = [...entries];
    if (style.sortKeys) pairs.sort(([a], [b]) => compareCodePoints(a, b));
    const items = pairs.map(([key, item]) => quote(key) + keySeparator + toPythonJson(item, style, depth + 1));
    return wrap("{", items, "}");
  }
  if (Array.isArray(value.value)) {
    const items = (value.value as JinjaValue[]).map((item) => toPythonJson(item, style, depth + 1));
    return wrap("[", items, "]");
  }
  switch (value.type) {
    case "StringValue":
      return quote(value.value as string);
    case "IntegerValue":
    case "FloatValue":
      return pythonNumber(value);
    case "BooleanValue":
      return value.value ? "true" : "false";
    case "NullValue":
      return "null";
    default:
      throw new Error(`${value.type.replace(/Value$/, "")} is not JSON serializable`);
  }
}

/** As `str`. */
export function pythonStr(value: JinjaValue): string {
  if (value.type === "StringValue") return value.value as string;
  return value.type === "UndefinedValue" ? "" : pythonRepr(value);
}

function pythonRepr(value: JinjaValue): string {
  const entries = entriesOf(value);
  if (entries) {
    return `{${[...entries].map(([key, item]) => `${quoteRepr(key)}: ${pythonRepr(item)}`).join(", ")}}`;
  }
  if (Array.isArray(value.value)) {
    const items = (value.value as JinjaValue[]).map(pythonRepr);
    if (value.type !== "TupleValue") return `[${items.join(", ")}]`;
    return items.length === 1 ? `(${items[0]},)` : `(${items.join(", ")})`;
  }
  switch (value.type) {
    case "StringValue":
      return quoteRepr(value.value as string);
    case "IntegerValue":
    case "FloatValue":
      return pythonNumber(value);
    case "BooleanValue":
      return value.value ? "True" : "False";
    case "NullValue":
      return "None";
    case "UndefinedValue":
      return "Undefined";
    default:
      throw new Error(`Can't print a ${typeName(value)}`);
  }
}

/** Shortest digits that read back the same, as both languages have; the notation is Python's. */
function pythonNumber(value: JinjaValue): string {
  const number = value.value as number;
  // From 1e21 on, where JavaScript writes an exponent, a number was a float in the JSON text.
  if (value.type === "IntegerValue") return DIGITS.get(value) ?? String(number);
  if (Number.isNaN(number)) return "NaN";
  if (!Number.isFinite(number)) return number < 0 ? "-Infinity" : "Infinity";
  if (Object.is(number, -0)) return "-0.0";
  const magnitude = Math.abs(number);
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e16)) {
    // Two digits of exponent at least: 1e-05.
    return number.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  }
  return Number.isInteger(number) ? `${number}.0` : String(number);
}

function quoteRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const named: Record<string, string> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", [quote]: `\\${quote}` };
  // What Python calls not printable: controls, formats, surrogates, unassigned, and separators other than a space.
  const body = text.replace(/[\\'"]|(?! )[\p{C}\p{Z}]/gu, (character) => {
    const name = named[character];
    if (name !== undefined) return name;
    if (character === "'" || character === '"') return character;
    const code = character.codePointAt(0) as number;
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
  });
  return quote + body + quote;
}

function escapeNonAscii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Order of strings in Python: by code point, where JavaScript goes by UTF-16. */
export function compareCodePoints(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Python's `==`: numbers and booleans by value, containers by content, and nothing across other types. */
export function pythonEquals(a: JinjaValue, b: JinjaValue): boolean {
  const [left, right] = [entriesOf(a), entriesOf(b)];
  if (left && right) {
    if (left.size !== right.size) return false;
    return [...left].every(([key, item]) => {
      const other = right.get(key);
      return other !== undefined && pythonEquals(item, other);
    });
  }
  if (Array.isArray(a.value) && Array.isArray(b.value)) {
    const [items, others] = [a.value as JinjaValue[], b.value as JinjaValue[]];
    return items.length === others.length && items.every((item, i) => pythonEquals(item, others[i] as JinjaValue));
  }
  if (isNumber(a) && isNumber(b)) return Number(a.value) === Number(b.value);
  return a.type === b.type && a.value === b.value;
}

/** The sign of Python's order of two numbers, texts or lists. Throws for what it doesn't order. */
export function comparePython(a: JinjaValue, b: JinjaValue): number {
  const [left, right] = [a.value, b.value];
  if (typeof left === "string" && typeof right === "string") return compareCodePoints(left, right);
  if (Array.isArray(left) && Array.isArray(right)) {
    const other = right as JinjaValue[];
    for (const [i, item] of (left as JinjaValue[]).entries()) {
      if (i >= other.length) return 1;
      if (!pythonEquals(item, other[i] as JinjaValue)) return comparePython(item, other[i] as JinjaValue);
    }
    return left.length - right.length;
  }
  if (isNumber(a) && isNumber(b)) return Number(left) - Number(right);
  throw new Error(`compares a ${typeName(a)} with a ${typeName(b)}`);
}

/** The first letter large, the others small. */
export function capitalized(word: string): string {
  const [first = "", ...rest] = word;
  return first.toUpperCase() + rest.join("").toLowerCase();
}

/** Jinja's title case: what follows a space, a hyphen or an opening bracket is a word. */
export function titleWords(text: string): string {
  return text.replace(/[^-\s({[<]+/gu, capitalized);
}
