/** Checks of options, used once, at each public function. */
import { PunieError } from "../errors.js";

/** An `INVALID_OPTION` that names the option, what was expected and what came. */
export function invalidOption(name: string, expected: string, received: unknown): PunieError {
  return new PunieError("INVALID_OPTION", `${name}: expected ${expected}, received ${describe(received)}.`);
}

const LONGEST_VALUE = 80;

/** A value, short enough for a message and without control characters. */
function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") {
    return JSON.stringify(value.length > LONGEST_VALUE ? `${value.slice(0, LONGEST_VALUE)}…` : value);
  }
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object")
    return value.constructor?.name === "Object" ? "an object" : `a ${value.constructor?.name}`;
  return `a ${typeof value}`;
}

/** The argument as an object of options, all of whose names are `known`; undefined is an empty one. */
export function checkNames(where: string, value: unknown, known: readonly string[]): Record<string, unknown> {
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalidOption(where, "an object", value);
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) {
      throw new PunieError("INVALID_OPTION", `${where}: unknown option '${name}'. Known are: ${known.join(", ")}.`);
    }
  }
  return value as Record<string, unknown>;
}

interface Range {
  min?: number;
  max?: number;
  /** `min` itself is not allowed. */
  aboveMin?: boolean;
}

function rangeText(kind: string, { min, max, aboveMin }: Range): string {
  const lower =
    min === undefined ? "" : aboveMin ? ` above ${min}` : max === undefined ? ` of at least ${min}` : ` from ${min}`;
  const upper = max === undefined ? "" : aboveMin ? `, up to ${max}` : ` to ${max}`;
  return kind + lower + upper;
}

function inRange(value: number, { min, max, aboveMin }: Range): boolean {
  if (min !== undefined && (aboveMin ? value <= min : value < min)) return false;
  return max === undefined || value <= max;
}

/** A finite number in the range, or `fallback` when undefined. */
export function checkNumber(name: string, value: unknown, fallback: number, range: Range = {}): number {
  if (value === undefined) return fallback;
  if (typeof value !== "number" || !Number.isFinite(value) || !inRange(value, range)) {
    throw invalidOption(name, rangeText("a number", range), value);
  }
  return value;
}

/** A safe integer in the range, or `fallback` when undefined. */
export function checkInteger(name: string, value: unknown, fallback: number, range: Range = {}): number {
  if (value === undefined) return fallback;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || !inRange(value, range)) {
    throw invalidOption(name, rangeText("an integer", range), value);
  }
  return value;
}

export function checkBoolean(name: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value !== "boolean") throw invalidOption(name, "true or false", value);
  return value;
}

/** A string that is not empty. */
export function checkText(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "string" || value === "") throw invalidOption(name, "a string that is not empty", value);
  return value;
}

export function checkOneOf<T extends string>(name: string, value: unknown, fallback: T, allowed: readonly T[]): T {
  if (value === undefined) return fallback;
  if (!allowed.includes(value as T)) throw invalidOption(name, `one of ${allowed.join(", ")}`, value);
  return value as T;
}

export function checkFunction<T>(name: string, value: T | undefined): T | undefined {
  if (value !== undefined && typeof value !== "function") throw invalidOption(name, "a function", value);
  return value;
}

/** Judged by shape: a signal may come from another realm or a polyfill. */
export function checkSignal(name: string, value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined;
  const signal = value as Partial<AbortSignal> | null;
  if (typeof signal?.aborted !== "boolean" || typeof signal.addEventListener !== "function") {
    throw invalidOption(name, "an AbortSignal", value);
  }
  return signal as AbortSignal;
}
