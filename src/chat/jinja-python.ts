/**
 * Renders a chat template as transformers does: the library's interpreter, held to Python's rules where they differ,
 * and to limits, because templates come from strangers. It patches the library's classes, so it is for the template
 * thread alone.
 */
import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
import type { MarkedJson } from "./exact-json.js";
import { contains, FILTER_ALIASES, FILTERS, type FilterCall, itemsOf, TEXT_FILTERS } from "./jinja-filters.js";
import { installTests, TEST_FILTERS, testsAsFilters } from "./jinja-tests.js";
import {
  ArrayValue,
  BooleanValue,
  DIGITS,
  entriesOf,
  FloatValue,
  FunctionValue,
  IntegerValue,
  type JinjaValue,
  NullValue,
  StringValue,
  testNamed,
  UNDEFINED,
} from "./jinja-values.js";
import { installStringMethods } from "./python-strings.js";
import { comparePython, type JsonStyle, pythonEquals, pythonStr, toPythonJson } from "./python-text.js";
import { strftime } from "./strftime.js";

/** Jinja's sandbox, which transformers renders in, has the same. */
const MAX_RANGE = 100_000;
/** Characters of any one value: several times the longest context. */
export const MAX_TEXT_LENGTH = 2 ** 24;
const MAX_ITEMS = 2 ** 20;
/** A conversation of a thousand turns takes a few hundred thousand. */
const MAX_STEPS = 20_000_000;

/** An error that the template itself raised, with its words: what the messages lack. */
export class TemplateRaisedError extends Error {}

interface Node {
  type: string;
  value?: unknown;
  object?: Node;
  property?: Node;
  /** Of a member: `a[b]`, not `a.b`. */
  computed?: boolean;
  callee?: Node;
  args?: Node[];
  left?: Node;
  right?: Node;
  operator?: { value: string };
  /** Of a loop: what it goes over; of `SelectExpression`, before its condition. */
  iterable?: Node;
  lhs?: Node;
}

/** Stands around what a loop goes over. */
const LOOPED = "PythonIterable";

/** Private parts of the interpreter that are replaced or called here. */
interface InterpreterInside {
  evaluate(node: Node | undefined, scope: Environment): JinjaValue;
  evaluateBlock(nodes: Node[], scope: Environment): JinjaValue;
  evaluateFor(node: Node, scope: Environment): JinjaValue;
  evaluateBinaryExpression(node: Node, scope: Environment): JinjaValue;
  evaluateMemberExpression(node: Node, scope: Environment): JinjaValue;
  evaluateArguments(args: Node[], scope: Environment): [JinjaValue[], Map<string, JinjaValue>];
  applyFilter(operand: JinjaValue, filter: Node, scope: Environment): JinjaValue;
}

let stepsLeft = 0;

function install(): void {
  const inside = Interpreter.prototype as unknown as InterpreterInside;
  const { evaluate, evaluateFor, evaluateBinaryExpression, evaluateMemberExpression, applyFilter } = inside;

  inside.evaluate = function (node, scope) {
    if (node?.type === EVALUATED) return node.value as JinjaValue;
    if (--stepsLeft < 0) throw new Error("takes too many steps");
    const result = node?.type === LOOPED ? iterated(this.evaluate(node.lhs, scope)) : evaluate.call(this, node, scope);
    const { value } = result;
    if (typeof value === "string" && value.length > MAX_TEXT_LENGTH) throw new Error("makes too long a text");
    if (Array.isArray(value) && value.length > MAX_ITEMS) throw new Error("makes too long a list");
    return result;
  };

  inside.evaluateBlock = function (nodes, scope) {
    let text = "";
    for (const node of nodes) {
      const value = this.evaluate(node, scope);
      if (!STATEMENTS.has(node.type)) text += pythonStr(value);
      else if (value.type === "StringValue") text += value.value as string;
      if (text.length > MAX_TEXT_LENGTH) throw new Error("makes too long a text");
    }
    return new StringValue(text);
  };

  inside.evaluateFor = function (node, scope) {
    const { iterable } = node;
    const loop =
      iterable?.type === "SelectExpression"
        ? { ...iterable, lhs: { type: LOOPED, lhs: iterable.lhs } }
        : { type: LOOPED, lhs: iterable };
    return evaluateFor.call(this, { ...node, iterable: loop } as Node, scope);
  };

  inside.evaluateBinaryExpression = function (node, scope) {
    const operator = node.operator?.value;
    if (operator === "==" || operator === "!=") {
      const equal = pythonEquals(this.evaluate(node.left, scope), this.evaluate(node.right, scope));
      return new BooleanValue(equal === (operator === "=="));
    }
    if (operator === "~") {
      return new StringValue(pythonStr(this.evaluate(node.left, scope)) + pythonStr(this.evaluate(node.right, scope)));
    }
    if (operator === undefined || operator === "and" || operator === "or") {
      return evaluateBinaryExpression.call(this, node, scope);
    }
    const [left, right] = [this.evaluate(node.left, scope), this.evaluate(node.right, scope)];
    if (operator === "in" || operator === "not in") {
      return new BooleanValue(contains(right, left) === (operator === "in"));
    }
    if (operator in ORDERINGS) return new BooleanValue(ORDERINGS[operator]?.(comparePython(left, right)) ?? false);
    if (operator === "%" && typeof left.value === "number" && typeof right.value === "number") {
      return remainder(left, right);
    }
    if (operator === "*" && right.type === "IntegerValue" && left.type in REPEATED) {
      return REPEATED[left.type]?.(left, right.value as number) as JinjaValue;
    }
    const known = { ...node, left: evaluated(asNumber(left)), right: evaluated(asNumber(right)) };
    return evaluateBinaryExpression.call(this, known, scope);
  };

  inside.evaluateMemberExpression = function (node, scope) {
    const object = this.evaluate(node.object, scope);
    if (object.type === "UndefinedValue") throw new Error("reads an attribute of something undefined");
    const { property } = node;
    if (!node.computed && property?.type === "Identifier") {
      // Jinja looks for an attribute first, and then for a key of that name.
      if (object.type === "ObjectValue" && DICT_METHODS.has(property.value)) {
        return builtinOf(object, property.value as string);
      }
      return evaluateMemberExpression.call(this, { ...node, object: evaluated(object) }, scope);
    }
    const key = property?.type === "SliceExpression" ? undefined : asNumber(this.evaluate(property, scope));
    if (key && !fitsKey(object, key)) return UNDEFINED;
    // Python counts code points: index and slice the list of them.
    const inText = object.type === "StringValue" && key?.type !== "StringValue";
    const known = {
      ...node,
      object: evaluated(inText ? new ArrayValue(itemsOf(object)) : object),
      ...(key && { property: evaluated(key), computed: true }),
    };
    const result = evaluateMemberExpression.call(this, known, scope);
    return inText && Array.isArray(result.value)
      ? new StringValue((result.value as JinjaValue[]).map(pythonStr).join(""))
      : result;
  };

  inside.applyFilter = function (operand, filter, scope) {
    const given = (filter.type === "Identifier" ? filter.value : filter.callee?.value) as string;
    const name = FILTER_ALIASES[given] ?? given;
    const [args, named] = filter.args
      ? this.evaluateArguments(filter.args, scope)
      : [[], new Map<string, JinjaValue>()];
    switch (name) {
      case "tojson":
        return new StringValue(toPythonJson(operand, jsonStyle(args, named)));
      case "string":
        return new StringValue(pythonStr(operand));
      case "trim":
        return callMethod(operand, "strip", args, scope);
      case "replace":
        return callMethod(
          operand,
          name,
          args.map((arg, i) => (i < 2 ? new StringValue(pythonStr(arg)) : arg)),
          scope,
        );
    }
    const apply: FilterCall["apply"] = (value, other, values, keywords) =>
      this.applyFilter(value, filterNode(other, values, keywords), scope);
    const wanted = TEST_FILTERS.get(name);
    if (wanted !== undefined) return new BooleanValue(holds(operand, args) === wanted);
    const result = FILTERS.get(name)?.(operand, { args, named, apply });
    if (result) return result;
    const text = TEXT_FILTERS.has(name) ? new StringValue(pythonStr(operand)) : operand;
    return applyFilter.call(this, text, name === given ? filter : filterNode(name, args, named), scope);
  };

  installTests();
}

/** Whether a test, whose name is the first argument, holds. */
function holds(value: JinjaValue, [name, other = UNDEFINED]: JinjaValue[]): boolean {
  return testNamed(name ? pythonStr(name) : "")(value, other);
}

function filterNode(name: string, args: JinjaValue[], named: ReadonlyMap<string, JinjaValue>): Node {
  const identifier = (value: string) => ({ type: "Identifier", value });
  if (args.length === 0 && named.size === 0) return identifier(name);
  const keywords = [...named].map(([key, value]) => ({
    type: "KeywordArgumentExpression",
    key: identifier(key),
    value: evaluated(value),
  }));
  return { type: "CallExpression", callee: identifier(name), args: [...args.map(evaluated), ...keywords] };
}

/** Methods of Python's dict that the library has. */
const DICT_METHODS: ReadonlySet<unknown> = new Set(["get", "items", "keys", "values"]);

function builtinOf(value: JinjaValue, name: string): JinjaValue {
  return (value as unknown as { builtins: Map<string, JinjaValue> }).builtins.get(name) ?? UNDEFINED;
}

/** Whether such a key can be one: what can't is not there, and no error. */
function fitsKey(object: JinjaValue, { type }: JinjaValue): boolean {
  return type === "StringValue" || (type === "IntegerValue" && entriesOf(object) === undefined);
}

/** In Python a boolean counts. */
function asNumber(value: JinjaValue): JinjaValue {
  return value.type === "BooleanValue" ? new IntegerValue(Number(value.value)) : value;
}

const REPEATED: Record<string, (value: JinjaValue, times: number) => JinjaValue> = {
  StringValue: ({ value }, times) => {
    const text = value as string;
    if (text.length * times > MAX_TEXT_LENGTH) throw new Error("makes too long a text");
    return new StringValue(text.repeat(Math.max(0, times)));
  },
  ArrayValue: ({ value }, times) => {
    const items = value as JinjaValue[];
    if (items.length * times > MAX_ITEMS) throw new Error("makes too long a list");
    return new ArrayValue(Array.from({ length: Math.max(0, times) }, () => items).flat());
  },
};

/** A node whose value is known: what is evaluated here isn't evaluated again by the library. */
const EVALUATED = "Evaluated";

function evaluated(value: JinjaValue): Node {
  return { type: EVALUATED, value };
}

/** What each comparison asks of the sign of a difference. */
const ORDERINGS: Record<string, (sign: number) => boolean> = {
  "<": (sign) => sign < 0,
  ">": (sign) => sign > 0,
  "<=": (sign) => sign <= 0,
  ">=": (sign) => sign >= 0,
};

/** Python's remainder has the divisor's sign. */
function remainder(left: JinjaValue, right: JinjaValue): JinjaValue {
  const [a, b] = [left.value as number, right.value as number];
  if (b === 0) throw new Error("divides by zero");
  const isFloat = left.type === "FloatValue" || right.type === "FloatValue";
  return new (isFloat ? FloatValue : IntegerValue)(((a % b) + b) % b);
}

/** Nodes that print nothing of their own, or whose text is already text. */
const STATEMENTS = new Set([
  "Program",
  "Set",
  "If",
  "For",
  "Macro",
  "CallStatement",
  "FilterStatement",
  "Break",
  "Continue",
  "Comment",
]);

/** In Python a loop over what is undefined is empty, and one over a text goes over its characters. */
function iterated(value: JinjaValue): JinjaValue {
  return value.type === "UndefinedValue" || value.type === "StringValue" ? new ArrayValue(itemsOf(value)) : value;
}

function callMethod(operand: JinjaValue, name: string, args: JinjaValue[], scope: Environment): JinjaValue {
  const method = builtinOf(new StringValue(pythonStr(operand)), name) as unknown as {
    value: (args: JinjaValue[], scope: unknown) => JinjaValue;
  };
  return method.value(args, scope);
}

/** Arguments of transformers' tojson: ensure_ascii, indent, separators, sort_keys. */
function jsonStyle(args: JinjaValue[], named: Map<string, JinjaValue>): JsonStyle {
  const [ensureAscii, indent, separators, sortKeys] = ["ensure_ascii", "indent", "separators", "sort_keys"].map(
    (name, i) => (args[i] ?? named.get(name))?.value,
  );
  const pair = (separators as JinjaValue[] | null | undefined)?.map((item) => pythonStr(item));
  return {
    ensureAscii: Boolean(ensureAscii),
    indent:
      typeof indent === "number"
        ? " ".repeat(Math.min(Math.max(indent, 0), 256))
        : ((indent as string | undefined) ?? undefined),
    separators: pair as [string, string] | undefined,
    sortKeys: Boolean(sortKeys),
  };
}

function range(args: JinjaValue[]): JinjaValue {
  const numbers = args.map(({ type, value }) => {
    if (type !== "IntegerValue") throw new Error("range() expects integers");
    return value as number;
  });
  const [start, stop, step] =
    numbers.length < 2 ? [0, numbers[0] ?? 0, 1] : [numbers[0] as number, numbers[1] as number, numbers[2] ?? 1];
  if (step === 0) throw new Error("range() step must not be zero");
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (length > MAX_RANGE) throw new Error(`range of ${length} is too big: at most ${MAX_RANGE}`);
  return new ArrayValue(Array.from({ length }, (_, i) => new IntegerValue(start + i * step)));
}

/** The value with Python's numbers in place of the texts that stand for them. */
function exactNumbers(value: JinjaValue, mark: string): JinjaValue {
  const entries = entriesOf(value);
  if (entries) for (const [key, item] of entries) entries.set(key, exactNumbers(item, mark));
  if (Array.isArray(value.value)) {
    const items = value.value as JinjaValue[];
    for (const [i, item] of items.entries()) items[i] = exactNumbers(item, mark);
  }
  if (typeof value.value !== "string" || !value.value.startsWith(mark)) return value;
  const literal = value.value.slice(mark.length);
  if (/[.eE]/.test(literal)) return new FloatValue(Number(literal));
  const integer = new IntegerValue(Number(literal));
  DIGITS.set(integer, literal);
  return integer;
}

let installed = false;

/** The text of `template` for these variables, an object. Throws `TemplateRaisedError`, or an `Error` that says what is wrong. */
export function renderTemplate(template: string, { json, mark }: MarkedJson, now: Date): string {
  if (!installed) {
    installStringMethods();
    install();
    installed = true;
  }
  const tokens = tokenize(template.replace(/\r\n?/g, "\n"), { lstrip_blocks: true, trim_blocks: true });
  const program = parse(testsAsFilters(tokens));
  const scope = new Environment();
  for (const [name, value] of [
    ["true", true],
    ["True", true],
    ["false", false],
    ["False", false],
  ] as const) {
    scope.set(name, value);
  }
  scope.set("none", null);
  scope.set("None", null);
  const call = (name: string, body: (args: JinjaValue[]) => JinjaValue) =>
    scope.setVariable(name, new FunctionValue(body) as unknown as Parameters<Environment["setVariable"]>[1]);
  call("range", range);
  call("raise_exception", ([message]) => {
    throw new TemplateRaisedError(message ? pythonStr(message) : "");
  });
  call("strftime_now", ([format]) => new StringValue(strftime(now, format ? pythonStr(format) : "")));
  call("dict", (args) => args.at(-1) ?? new NullValue(null));
  for (const [name, value] of Object.entries(JSON.parse(json) as Record<string, unknown>)) {
    // A caller's variable may have the name of a global.
    scope.variables.delete(name);
    const set = scope.set(name, value) as unknown as JinjaValue;
    if (mark !== undefined) scope.variables.set(name, exactNumbers(set, mark) as never);
  }
  stepsLeft = MAX_STEPS;
  return (new Interpreter(scope).run(program) as unknown as JinjaValue).value as string;
}
