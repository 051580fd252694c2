import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { PunieError } from "../errors.js";
import { errorCode } from "./system-error.js";

// Non-blocking, so that a FIFO in the file's place is refused and never waited for.
const READ_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * The parsed JSON of one file of a model directory, or undefined when there is no such file.
 *
 * @param maxBytes Files larger than this are refused unread.
 * @throws PunieError `MODEL_CORRUPT`, naming the file, when it is too large, unreadable, no regular file or not JSON.
 */
export async function readJsonFile(path: string, maxBytes: number): Promise<unknown> {
  const text = await readTextFile(path, maxBytes);
  return text === undefined ? undefined : parseJson(text, path);
}

/** As `readJsonFile`, of a file that holds an object: anything else is `MODEL_CORRUPT` too. */
export async function readJsonObject(path: string, maxBytes: number): Promise<Record<string, unknown> | undefined> {
  const value = await readJsonFile(path, maxBytes);
  if (value === undefined) return undefined;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  const found = value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
  throw new PunieError("MODEL_CORRUPT", `${path}: expected a JSON object, found ${found}.`);
}

/** The text of one file of a model directory, with the limits and errors of `readJsonFile`. */
export async function readTextFile(path: string, maxBytes: number): Promise<string | undefined> {
  try {
    const file = await open(path, READ_FLAGS);
    try {
      const info = await file.stat();
      if (!info.isFile()) throw new PunieError("MODEL_CORRUPT", `${path}: expected a regular file.`);
      if (info.size > maxBytes) {
        throw new PunieError("MODEL_CORRUPT", `${path}: ${info.size} bytes, expected at most ${maxBytes}.`);
      }
      return await file.readFile("utf8");
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof PunieError) throw cause;
    if (errorCode(cause) === "ENOENT" || errorCode(cause) === "ENOTDIR") return undefined;
    throw new PunieError("MODEL_CORRUPT", `${path}: can't be read (${errorCode(cause) ?? String(cause)}).`, { cause });
  }
}

/** `JSON.parse` whose failure names the place that the text came from. */
export function parseJson(text: string, place: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PunieError("MODEL_CORRUPT", `${place}: not JSON (${(cause as Error).message}).`, { cause });
  }
}
