/** Tests of Jinja that the template library lacks, and those with an argument, which its parser does not read. */
import type { tokenize } from "@huggingface/jinja";
import { contains } from "./jinja-filters.js";
import { entriesOf, isNumber, type JinjaValue, TESTS } from "./jinja-values.js";
import { comparePython, pythonEquals } from "./python-text.js";

type Test = (value: JinjaValue, other: JinjaValue) => boolean;
type Token = ReturnType<typeof tokenize>[number];

const ordering =
  (fits: (sign: number) => boolean): Test =>
  (value, other) =>
    fits(comparePython(value, other));
const differs: Test = (value, other) => !pythonEquals(value, other);

const OWN_TESTS: readonly [string, Test][] = [
  ...["eq", "equalto", "=="].map((name) => [name, pythonEquals] as [string, Test]),
  ...["ne", "!="].map((name) => [name, differs] as [string, Test]),
  ...["gt", "greaterthan", ">"].map((name) => [name, ordering((sign) => sign > 0)] as [string, Test]),
  ...["ge", ">="].map((name) => [name, ordering((sign) => sign >= 0)] as [string, Test]),
  ...["lt", "lessthan", "<"].map((name) => [name, ordering((sign) => sign < 0)] as [string, Test]),
  ...["le", "<="].map((name) => [name, ordering((sign) => sign <= 0)] as [string, Test]),
  ["in", (value, other) => contains(other, value)],
  ["sameas", (value, other) => value.type === other.type && value.value === other.value],
  ["divisibleby", (value, other) => Number(value.value) % Number(other.value) === 0],
  [
    "iterable",
    (value) =>
      value.type === "UndefinedValue" ||
      typeof value.value === "string" ||
      Array.isArray(value.value) ||
      entriesOf(value) !== undefined,
  ],
  ["float", ({ type }) => type === "FloatValue"],
  ["number", isNumber],
];

/** Puts the tests in place for all templates of this thread. */
export function installTests(): void {
  for (const [name, test] of OWN_TESTS) TESTS.set(name, test);
}

/** Filters that stand for a test with an argument, `is` and `is not`, by names that no template can write. */
const IS = "is ";
const IS_NOT = "is not";
export const TEST_FILTERS: ReadonlyMap<string, boolean> = new Map([
  [IS, true],
  [IS_NOT, false],
]);

/** What comes after a test of no argument. */
const NO_ARGUMENT = new Set(["else", "or", "and", "if", "is", "in", "not", "recursive"]);

/**
 * `value is test(a)`, `value is test a.b` and `value is test [a]` as `value | is("test", a)`: both bind alike, and the
 * library's parser knows tests by their name alone.
 */
export function testsAsFilters(tokens: readonly Token[]): Token[] {
  const made: Token[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const found = testAt(tokens, i);
    if (!found) {
      made.push(tokens[i] as Token);
      continue;
    }
    const { name, filter, first, end } = found;
    const token = (type: Token["type"], value: string): Token => ({ type, value });
    made.push(token("Pipe", "|"), token("Identifier", filter), token("OpenParen", "("), token("StringLiteral", name));
    made.push(token("Comma", ","), ...testsAsFilters(tokens.slice(first, end)), token("CloseParen", ")"));
    // The parentheses of a call are not part of what they hold.
    i = tokens[first - 1]?.type === "OpenParen" ? end : end - 1;
  }
  return made;
}

/** The test with an argument, at `first` up to `end`, whose `is` stands at `i`. */
function testAt(tokens: readonly Token[], i: number) {
  if (!isWord(tokens[i], "is")) return undefined;
  const negated = isWord(tokens[i + 1], "not");
  const at = i + (negated ? 2 : 1);
  const name = tokens[at];
  if (name?.type !== "Identifier") return undefined;
  const next = tokens[at + 1];
  const found = (first: number, end: number) => ({ name: name.value, filter: negated ? IS_NOT : IS, first, end });
  switch (next?.type) {
    case "OpenParen":
      return tokens[at + 2]?.type === "CloseParen" ? undefined : found(at + 2, closingOf(tokens, at + 1));
    case "OpenSquareBracket":
    case "OpenCurlyBracket":
      return found(at + 1, endOfPostfix(tokens, closingOf(tokens, at + 1) + 1));
    case "NumericLiteral":
    case "StringLiteral":
      return found(at + 1, endOfPostfix(tokens, at + 2));
    case "Identifier":
      return NO_ARGUMENT.has(next.value) ? undefined : found(at + 1, endOfPostfix(tokens, at + 2));
  }
  return undefined;
}

/** One past the members, items and calls that follow a value which ends at `end`. */
function endOfPostfix(tokens: readonly Token[], end: number): number {
  for (let at = end; ; ) {
    const type = tokens[at]?.type;
    if (type === "Dot") at += 2;
    else if (type === "OpenSquareBracket" || type === "OpenParen") at = closingOf(tokens, at) + 1;
    else return at;
  }
}

function isWord(token: Token | undefined, word: string): boolean {
  return token?.type === "Identifier" && token.value === word;
}

/** Index of the bracket that closes the one at `open`; the end where there is none, which the parser reports. */
function closingOf(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let i = open; i < tokens.length; i++) {
    const type = tokens[i]?.type ?? "";
    if (/^Open(Paren|SquareBracket|CurlyBracket)$/.test(type)) depth++;
    if (/^Close(Paren|SquareBracket|CurlyBracket)$/.test(type) && --depth === 0) return i;
  }
  return tokens.length;
}
