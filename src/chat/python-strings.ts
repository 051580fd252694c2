/** Methods of Python's `str` that the template library lacks or does otherwise. */
import { ArrayValue, BooleanValue, FunctionValue, IntegerValue, type JinjaValue, StringValue } from "./jinja-values.js";
import { capitalized } from "./python-text.js";

/** What `str.strip()` takes for whitespace: Unicode's White_Space and the separators U+001C to U+001F. */
const WHITESPACE = /[\p{White_Space}\x1c-\x1f]/u;

/** What `str.splitlines()` splits at. */
const LINE_BREAK = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;

type Method = (self: string, args: JinjaValue[]) => JinjaValue;

const text = (value: JinjaValue | undefined, method: string): string => {
  if (value?.type !== "StringValue") throw new Error(`${method}() expects a string`);
  return value.value as string;
};

function strip(self: string, characters: JinjaValue | undefined, left: boolean, right: boolean): JinjaValue {
  const given = characters?.type === "StringValue" ? new Set(characters.value as string) : undefined;
  const cut = (character: string | undefined) =>
    character !== undefined && (given ? given.has(character) : WHITESPACE.test(character));
  const points = Array.from(self);
  let start = 0;
  let end = points.length;
  while (left && start < end && cut(points[start])) start++;
  while (right && end > start && cut(points[end - 1])) end--;
  return new StringValue(points.slice(start, end).join(""));
}

/** Python counts code points. @param at In UTF-16; below 0: nowhere. */
function codePointIndex(self: string, at: number): JinjaValue {
  return new IntegerValue(at < 0 ? -1 : Array.from(self.slice(0, at)).length);
}

/** Before, at and after the separator; where there is none, all of it stands at one end. */
function partition(self: string, at: number, separator: JinjaValue | undefined, first: boolean): JinjaValue {
  const between = text(separator, "partition");
  const none = first ? [self, "", ""] : ["", "", self];
  const parts = at < 0 ? none : [self.slice(0, at), between, self.slice(at + between.length)];
  return new ArrayValue(parts.map((part) => new StringValue(part)));
}

const METHODS: Record<string, Method> = {
  strip: (self, [characters]) => strip(self, characters, true, true),
  lstrip: (self, [characters]) => strip(self, characters, true, false),
  rstrip: (self, [characters]) => strip(self, characters, false, true),
  capitalize: (self) => new StringValue(capitalized(self)),
  title: (self) => new StringValue(self.replace(/\p{L}+/gu, capitalized)),
  splitlines: (self) => {
    const lines = self.split(LINE_BREAK);
    if (lines.at(-1) === "") lines.pop();
    return new ArrayValue(lines.map((line) => new StringValue(line)));
  },
  removeprefix: (self, [prefix]) => {
    const start = text(prefix, "removeprefix");
    return new StringValue(self.startsWith(start) ? self.slice(start.length) : self);
  },
  removesuffix: (self, [suffix]) => {
    const end = text(suffix, "removesuffix");
    return new StringValue(end && self.endsWith(end) ? self.slice(0, -end.length) : self);
  },
  find: (self, [needle]) => codePointIndex(self, self.indexOf(text(needle, "find"))),
  rfind: (self, [needle]) => codePointIndex(self, self.lastIndexOf(text(needle, "rfind"))),
  rsplit: (self, [separator, most]) => {
    if (separator?.type !== "StringValue") throw new Error("rsplit() expects a separator");
    const parts = self.split(text(separator, "rsplit"));
    const limit = typeof most?.value === "number" && most.value >= 0 ? most.value : parts.length;
    const first = Math.max(0, parts.length - 1 - limit);
    const kept = [parts.slice(0, first + 1).join(separator.value as string), ...parts.slice(first + 1)];
    return new ArrayValue(kept.map((part) => new StringValue(part)));
  },
  partition: (self, [separator]) => partition(self, self.indexOf(text(separator, "partition")), separator, true),
  rpartition: (self, [separator]) => partition(self, self.lastIndexOf(text(separator, "rpartition")), separator, false),
  count: (self, [needle]) => {
    const part = text(needle, "count");
    return new IntegerValue(part === "" ? Array.from(self).length + 1 : self.split(part).length - 1);
  },
  join: (self, [items]) => {
    const parts = Array.isArray(items?.value) ? (items.value as JinjaValue[]) : [];
    return new StringValue(parts.map((part) => text(part, "join")).join(self));
  },
  isdigit: (self) => new BooleanValue(/^[\p{Nd}\u00b2\u00b3\u00b9\u2070-\u2089]+$/u.test(self)),
};

/** Puts the methods in place for every string of this thread's templates. */
export function installStringMethods(): void {
  const described = Object.getOwnPropertyDescriptor(StringValue.prototype, "builtins");
  const original = described?.get;
  if (!original) throw new Error("@huggingface/jinja: StringValue.builtins is not a getter");
  Object.defineProperty(StringValue.prototype, "builtins", {
    ...described,
    get(this: JinjaValue & { value: string; pythonic?: boolean }) {
      const builtins: Map<string, JinjaValue> = original.call(this);
      if (!this.pythonic) {
        this.pythonic = true;
        builtins.set("length", new IntegerValue(Array.from(this.value).length));
        for (const [name, method] of Object.entries(METHODS)) {
          builtins.set(name, new FunctionValue((args) => method(this.value, args)));
        }
      }
      return builtins;
    },
  });
}
