/** The metadata of a GGUF file: a table of typed values, and the checked ways to look them up. */
import { PunieError } from "../../errors.js";
import type { ByteCursor } from "./byte-cursor.js";

export type GgufValue = number | bigint | boolean | string | GgufValue[];
export type GgufMetadata = ReadonlyMap<string, GgufValue>;

/** Real files have some 30 to 60 keys. */
const MAX_KEYS = 65_536;
/** As the format has it. */
const MAX_KEY_BYTES = 65_535;
/** A chat template has some kilobytes. */
const MAX_STRING_BYTES = 4 << 20;
/** In all arrays together: three times the tokens, types, scores and merges of a vocabulary of 262,144. */
const MAX_ARRAY_ITEMS = 4_000_000;
const MAX_ARRAY_DEPTH = 4;
const STRING_TYPE = 8;
const ARRAY_TYPE = 9;

/** Reads the key count and the keys with their values. */
export function readMetadata(cursor: ByteCursor): GgufMetadata {
  const keys = cursor.count("metadata count", MAX_KEYS);
  const metadata = new Map<string, GgufValue>();
  const reader = new ValueReader(cursor);
  for (let index = 0; index < keys; index++) {
    const key = cursor.string(`name of metadata key ${index}`, MAX_KEY_BYTES);
    if (metadata.has(key)) throw cursor.corrupt(`metadata key '${key}' is there twice`);
    metadata.set(key, reader.value(key, cursor.uint32()));
  }
  return metadata;
}

class ValueReader {
  readonly #cursor: ByteCursor;
  readonly #scalars: Readonly<Record<number, () => number | bigint | boolean>>;
  #items = 0;

  constructor(cursor: ByteCursor) {
    this.#cursor = cursor;
    this.#scalars = {
      0: cursor.uint8,
      1: cursor.int8,
      2: cursor.uint16,
      3: cursor.int16,
      4: cursor.uint32,
      5: cursor.int32,
      6: cursor.float32,
      7: () => cursor.uint8() !== 0,
      10: cursor.uint64,
      11: cursor.int64,
      12: cursor.float64,
    };
  }

  value(key: string, type: number, depth = 0): GgufValue {
    if (type === STRING_TYPE) return this.#cursor.string(`value of '${key}'`, MAX_STRING_BYTES);
    if (type === ARRAY_TYPE) return this.#array(key, depth + 1);
    const read = this.#scalars[type];
    if (!read) throw this.#cursor.corrupt(`metadata key '${key}' has the unknown type ${type}`);
    return read();
  }

  #array(key: string, depth: number): GgufValue[] {
    if (depth > MAX_ARRAY_DEPTH) throw this.#cursor.corrupt(`'${key}' nests more than ${MAX_ARRAY_DEPTH} arrays`);
    const type = this.#cursor.uint32();
    const length = this.#cursor.count(`length of '${key}'`, MAX_ARRAY_ITEMS - this.#items);
    this.#items += length;
    const values: GgufValue[] = [];
    for (let index = 0; index < length; index++) values.push(this.value(key, type, depth));
    return values;
  }
}

/** Looks values up and says which key is missing or of the wrong type. */
export class MetadataLookup {
  readonly #metadata: GgufMetadata;
  readonly #path: string;

  constructor(metadata: GgufMetadata, path: string) {
    this.#metadata = metadata;
    this.#path = path;
  }

  has(key: string): boolean {
    return this.#metadata.has(key);
  }

  /** An integer from `minimum` to `maximum`. */
  integer(key: string, minimum: number, maximum: number): number {
    const value = this.#metadata.get(key);
    const number = typeof value === "bigint" ? Number(value) : value;
    if (typeof number !== "number" || !Number.isInteger(number) || number < minimum || number > maximum) {
      throw this.#wrong(key, `an integer from ${minimum} to ${maximum}`);
    }
    return number;
  }

  /** A finite number above 0. */
  positive(key: string): number {
    const value = this.#metadata.get(key);
    if (typeof value !== "number" || !Number.isFinite(value) || value <= 0) throw this.#wrong(key, "a number above 0");
    return value;
  }

  string(key: string): string {
    const value = this.#metadata.get(key);
    if (typeof value !== "string") throw this.#wrong(key, "a string");
    return value;
  }

  boolean(key: string): boolean {
    const value = this.#metadata.get(key);
    if (typeof value !== "boolean") throw this.#wrong(key, "true or false");
    return value;
  }

  strings(key: string): string[] {
    const value = this.#metadata.get(key);
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
      throw this.#wrong(key, "a list of strings");
    }
    return value;
  }

  integers(key: string): number[] {
    const value = this.#metadata.get(key);
    if (!Array.isArray(value) || !value.every((item) => typeof item === "number" && Number.isInteger(item))) {
      throw this.#wrong(key, "a list of integers");
    }
    return value as number[];
  }

  #wrong(key: string, expected: string): PunieError {
    const value = this.#metadata.get(key);
    const found = value === undefined ? "it is missing" : `found ${describe(value)}`;
    return new PunieError("MODEL_CORRUPT", `${this.#path}: metadata '${key}' must be ${expected}; ${found}.`);
  }
}

function describe(value: GgufValue): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
