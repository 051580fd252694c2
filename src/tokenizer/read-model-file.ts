/** Reads the small files of a model directory, which may come from a stranger: with a limit, and errors that name them. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { PunieError } from "../errors.js";

const MIB = 2 ** 20;

/**
 * The file's text as UTF-8, or undefined when there is no such file.
 * Throws `MODEL_CORRUPT` when it is not a regular file, larger than `maxMiB`, or can't be read.
 */
export async function readModelText(path: string, maxMiB: number): Promise<string | undefined> {
  const where = `${basename(path)} in ${dirname(path)}`;
  try {
    // Without O_NONBLOCK, opening a FIFO would wait for a writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw new PunieError("MODEL_CORRUPT", `${where}: expected a file, found something else.`);
      if (stat.size > maxMiB * MIB) {
        const found = Math.ceil(stat.size / MIB);
        throw new PunieError("MODEL_CORRUPT", `${where}: expected at most ${maxMiB} MiB, found ${found} MiB.`);
      }
      return await file.readFile("utf8");
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof PunieError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new PunieError("MODEL_CORRUPT", `${where}: can't be read: ${message}`, { cause: error });
  }
}

/** As `readModelText`, parsed: a JSON object. Throws `MODEL_CORRUPT` when it is not JSON or not an object. */
export async function readModelJson(path: string, maxMiB: number): Promise<Record<string, unknown> | undefined> {
  const text = await readModelText(path, maxMiB);
  if (text === undefined) return undefined;
  const where = `${basename(path)} in ${dirname(path)}`;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new PunieError("MODEL_CORRUPT", `${where}: not valid JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new PunieError("MODEL_CORRUPT", `${where}: expected a JSON object, found ${describe(value)}.`);
  }
  return value as Record<string, unknown>;
}

function describe(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
}
