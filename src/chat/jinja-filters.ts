/** Filters of Jinja that the template library lacks, or does otherwise than Jinja does in Python. */
import {
  ArrayValue,
  entriesOf,
  FloatValue,
  IntegerValue,
  isNumber,
  isTrue,
  type JinjaValue,
  StringValue,
  testNamed,
  typeName,
  UNDEFINED,
} from "./jinja-values.js";
import { comparePython, pythonEquals, pythonStr, titleWords } from "./python-text.js";

/** What a filter is given: `apply` applies another one by its name. */
export interface FilterCall {
  args: JinjaValue[];
  named: ReadonlyMap<string, JinjaValue>;
  apply: (operand: JinjaValue, name: string, args: JinjaValue[], named: ReadonlyMap<string, JinjaValue>) => JinjaValue;
}

/** Undefined: as the library does it. */
type Filter = (operand: JinjaValue, call: FilterCall) => JinjaValue | undefined;

/** What Python would go over: a text's characters, a dict's keys, and nothing of what is undefined. */
export function itemsOf(value: JinjaValue): JinjaValue[] {
  if (value.type === "UndefinedValue") return [];
  if (value.type === "StringValue") return Array.from(value.value as string, (character) => new StringValue(character));
  const entries = entriesOf(value);
  if (entries) return [...entries.keys()].map((key) => new StringValue(key));
  if (Array.isArray(value.value)) return value.value as JinjaValue[];
  throw new Error(`can't go over a ${typeName(value)}`);
}

/** Python's `in`. */
export function contains(container: JinjaValue, item: JinjaValue): boolean {
  const entries = entriesOf(container);
  if (entries) return item.type === "StringValue" && entries.has(item.value as string);
  if (container.type !== "StringValue") return itemsOf(container).some((other) => pythonEquals(item, other));
  if (item.type !== "StringValue") throw new Error("looks in a text for something that is none");
  return (container.value as string).includes(item.value as string);
}

/** The member of an item that a path such as `a.b.0` names. */
function attribute(item: JinjaValue, path: JinjaValue): JinjaValue {
  let value = item;
  for (const part of pythonStr(path).split(".")) {
    const found =
      entriesOf(value)?.get(part) ??
      (/^\d+$/.test(part) && Array.isArray(value.value) ? (value.value as JinjaValue[])[Number(part)] : undefined);
    if (found === undefined) return UNDEFINED;
    value = found;
  }
  return value;
}

/** One filter of the four that choose items. */
function choosing({ attributes, keeps }: { attributes: boolean; keeps: boolean }): Filter {
  return (operand, { args }) => {
    const [path, name, other] = attributes ? args : [undefined, ...args];
    const test = name === undefined ? isTrue : testNamed(pythonStr(name));
    const chosen = itemsOf(operand).filter(
      (item) => test(path ? attribute(item, path) : item, other ?? UNDEFINED) === keeps,
    );
    return new ArrayValue(chosen);
  };
}

function extreme(sign: 1 | -1): Filter {
  return (operand, { args, named }) => {
    const path = args[1] ?? named.get("attribute");
    const asWritten = isTrue(args[0] ?? named.get("case_sensitive") ?? UNDEFINED);
    const key = (item: JinjaValue) => {
      const value = path ? attribute(item, path) : item;
      return value.type === "StringValue" && !asWritten
        ? new StringValue((value.value as string).toLowerCase())
        : value;
    };
    let best: JinjaValue | undefined;
    for (const item of itemsOf(operand)) {
      if (best === undefined || comparePython(key(item), key(best)) * sign > 0) best = item;
    }
    return best ?? UNDEFINED;
  };
}

function sum(operand: JinjaValue, { args, named }: FilterCall): JinjaValue {
  const path = args[0] ?? named.get("attribute");
  const values = [
    ...itemsOf(operand).map((item) => (path ? attribute(item, path) : item)),
    args[1] ?? named.get("start") ?? new IntegerValue(0),
  ];
  if (!values.every(isNumber)) throw new Error("sums up what is no number");
  const total = values.reduce((all, { value }) => all + Number(value), 0);
  return values.some(({ type }) => type === "FloatValue") ? new FloatValue(total) : new IntegerValue(total);
}

function map(operand: JinjaValue, { args: [name, ...args], named, apply }: FilterCall): JinjaValue | undefined {
  if (operand.type === "UndefinedValue") return new ArrayValue([]);
  if (named.has("attribute")) return undefined;
  if (!name) throw new Error("map wants a filter or an attribute");
  return new ArrayValue(itemsOf(operand).map((item) => apply(item, pythonStr(name), args, named)));
}

/** As Python's `round` for the common method: an integer stays one, and what lies in the very middle goes to the even side. */
function round(operand: JinjaValue, { args, named }: FilterCall): JinjaValue {
  if (!isNumber(operand)) throw new Error("rounds what is no number");
  const value = Number(operand.value);
  const precision = Number((args[0] ?? named.get("precision"))?.value ?? 0);
  const method = args[1] ?? named.get("method");
  const how = method ? pythonStr(method) : "common";
  const scale = 10 ** Math.abs(precision);
  if (how === "ceil" || how === "floor") {
    return new FloatValue(precision < 0 ? Math[how](value / scale) * scale : Math[how](value * scale) / scale);
  }
  const make = (rounded: number) =>
    operand.type === "FloatValue" ? new FloatValue(rounded) : new IntegerValue(rounded);
  if (precision < 0) return make(Number(roundedDigits(value / scale, 0)) * scale);
  return make(Number.isInteger(value) ? value : Number(roundedDigits(value, Math.min(precision, MOST_DIGITS))));
}

/** Digits behind the point that a number is told with, for its true value: those beyond say whether it is a middle. */
const MOST_DIGITS = 40;
const TRUE_DIGITS = 100;

function roundedDigits(value: number, digits: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 1e20) return String(value);
  const exact = magnitude.toFixed(TRUE_DIGITS);
  const kept = exact.length - (TRUE_DIGITS - digits);
  const isMiddle = /^50*$/.test(exact.slice(kept));
  const down = exact.slice(0, kept);
  const isEven = /[02468]\.?$/.test(down);
  const rounded = isMiddle && isEven ? down : magnitude.toFixed(digits);
  return value < 0 ? `-${rounded}` : rounded;
}

/** Of a text, what Python's `int` or `float` reads: all of it, or the default. */
function toNumber(make: (value: number) => JinjaValue): Filter {
  return (operand, { args, named }) => {
    const fallback = args[0] ?? named.get("default") ?? make(0);
    if (operand.type === "UndefinedValue") throw new Error("reads a number from what is undefined");
    if (isNumber(operand)) return make(Number(operand.value));
    const text = operand.type === "StringValue" ? (operand.value as string).trim().replace(/(?<=\d)_(?=\d)/g, "") : "";
    return FLOAT.test(text) ? make(Number(text)) : fallback;
  };
}

const FLOAT = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;" };

function escapeHtml(operand: JinjaValue): JinjaValue {
  return new StringValue(pythonStr(operand).replace(/[&<>'"]/g, (character) => ENTITIES[character] as string));
}

export const FILTERS: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ["list", (operand) => new ArrayValue([...itemsOf(operand)])],
  ["first", (operand) => itemsOf(operand)[0] ?? UNDEFINED],
  ["last", (operand) => itemsOf(operand).at(-1) ?? UNDEFINED],
  ["length", (operand) => (operand.type === "UndefinedValue" ? new IntegerValue(0) : undefined)],
  [
    "reverse",
    (operand) =>
      operand.type === "StringValue"
        ? new StringValue(itemsOf(operand).reverse().map(pythonStr).join(""))
        : new ArrayValue([...itemsOf(operand)].reverse()),
  ],
  [
    "join",
    (operand, { args, named }) => {
      const path = args[1] ?? named.get("attribute");
      const items = itemsOf(operand).map((item) => pythonStr(path ? attribute(item, path) : item));
      const separator = args[0] ?? named.get("d");
      return new StringValue(items.join(separator ? pythonStr(separator) : ""));
    },
  ],
  [
    "default",
    (operand, { args, named }) => {
      const replaced =
        operand.type === "UndefinedValue" || (isTrue(args[1] ?? named.get("boolean") ?? UNDEFINED) && !isTrue(operand));
      return replaced ? (args[0] ?? named.get("default_value") ?? new StringValue("")) : operand;
    },
  ],
  ["map", map],
  ["select", choosing({ attributes: false, keeps: true })],
  ["reject", choosing({ attributes: false, keeps: false })],
  ["selectattr", choosing({ attributes: true, keeps: true })],
  ["rejectattr", choosing({ attributes: true, keeps: false })],
  ["max", extreme(1)],
  ["min", extreme(-1)],
  ["sum", sum],
  ["round", round],
  ["int", toNumber((value) => new IntegerValue(Math.trunc(value)))],
  ["float", toNumber((value) => new FloatValue(value))],
  ["escape", escapeHtml],
  ["title", (operand) => new StringValue(titleWords(pythonStr(operand)))],
]);

/** Other names of the same. */
export const FILTER_ALIASES: Readonly<Record<string, string>> = { count: "length", d: "default", e: "escape" };

/** Filters of texts: other values are first made into one. */
export const TEXT_FILTERS: ReadonlySet<string> = new Set(["upper", "lower", "capitalize", "indent"]);
