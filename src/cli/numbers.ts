/** Numbers on the command line, read strictly: `1e3x`, an empty text or `0x10` is a mistake, not a number. */
import { InvalidArgumentError } from "commander";

const DECIMAL = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;
const INTEGER = /^[+-]?\d+$/;

/** A finite decimal number. */
export function decimal(text: string): number {
  const value = DECIMAL.test(text) ? Number(text) : Number.NaN;
  if (!Number.isFinite(value)) throw new InvalidArgumentError(`Expected a number, such as 0.7.`);
  return value;
}

/** An integer that a double holds exactly. */
export function integer(text: string): number {
  const value = INTEGER.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError("Expected an integer, such as 40.");
  return value;
}

export function positiveInteger(text: string): number {
  const value = INTEGER.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("Expected an integer above 0.");
  return value;
}

/** Token ids with commas between them, such as `1,2,3`; spaces are allowed. */
export function tokenIds(text: string): number[] {
  return text.split(",").map((part) => {
    const id = /^\s*\d+\s*$/.test(part) ? Number(part) : Number.NaN;
    if (!Number.isSafeInteger(id)) throw new InvalidArgumentError("Expected token ids, such as 1,2,3.");
    return id;
  });
}
