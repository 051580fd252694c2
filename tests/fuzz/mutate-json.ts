/** Damage to JSON, drawn from a seed: it stays JSON, so that readers get past their parser. */
import type { Random } from "../helpers/random.js";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const ODD: Json[] = [
  ...[null, true, false, "", "0", "\u0000", "é\u{1f600}", "__proto__", "x".repeat(10_000), [], {}, [[]], [null]],
  ...[0, -0, 1, -1, 1.5, 3, 7, 255, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e300, -1e300, 1e-320],
];
const MOST_CHANGES = 3;

/** One to three changes at any depth. The value is left as it is. */
export function mutateJson(value: Json, random: Random): Json {
  let root = structuredClone(value);
  for (let left = 1 + random(MOST_CHANGES); left > 0; left--) root = changed(root, random);
  return root;
}

function changed(value: Json, random: Random): Json {
  if (typeof value === "object" && value !== null && Object.keys(value).length > 0) {
    // Mostly further down: a document whose root is odd is refused by the first line of any reader.
    if (random(20) > 0) return changedWithin(value, random);
  }
  return odd(value, random);
}

function changedWithin(value: Json[] | { [key: string]: Json }, random: Random): Json {
  const keys = Object.keys(value);
  const key = keys[random(keys.length)] as string;
  const holder = value as { [key: string]: Json };
  switch (random(10)) {
    case 0:
      if (Array.isArray(value)) value.splice(Number(key), 1);
      else delete value[key];
      return value;
    case 1:
      if (Array.isArray(value)) value.push(structuredClone(holder[key] as Json));
      else
        define(
          value,
          [`${key}x`, "__proto__", "constructor", ""][random(4)] as string,
          structuredClone(holder[key] as Json),
        );
      return value;
    case 2: {
      const other = keys[random(keys.length)] as string;
      define(holder, key, structuredClone(holder[other] as Json));
      return value;
    }
    default:
      define(holder, key, changed(holder[key] as Json, random));
      return value;
  }
}

/** As JSON.parse does it: a key named `__proto__` is a key. */
function define(holder: object, key: string, value: Json): void {
  Object.defineProperty(holder, key, { value, writable: true, enumerable: true, configurable: true });
}

function odd(value: Json, random: Random): Json {
  if (typeof value === "number" && random(2) === 0) {
    return [value + 1, value - 1, value * 2, value / 2, -value, value + 0.5, value * 2 ** 32][random(7)] as number;
  }
  if (typeof value === "string" && value !== "" && random(2) === 0) {
    const at = random(value.length);
    return [value.slice(0, at), value.slice(at), value + value, value.slice(0, at) + value.slice(at + 1)][
      random(4)
    ] as string;
  }
  if (random(60) === 0) return nested(2 + random(2000), value);
  return structuredClone(ODD[random(ODD.length)] as Json);
}

function nested(depth: number, value: Json): Json {
  let result = value;
  for (let i = 0; i < depth; i++) result = i % 2 === 0 ? [result] : { a: result };
  return result;
}
