import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { PunieError } from "../errors.js";
import { errorCode, isAbsent } from "../models/system-error.js";

const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** Bytes that this user may still write on the file system of a directory. */
export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/**
 * @throws PunieError `DISK_FULL`, with the bytes that are missing, when `needed` don't fit.
 */
export async function requireRoom(directory: string, needed: number, freeIn = freeBytes): Promise<void> {
  const free = await freeIn(directory);
  if (free >= needed) return;
  throw new PunieError(
    "DISK_FULL",
    `${directory}: ${needed} bytes are still to be written and ${free} are free: ${needed - free} are missing. ` +
      "Free that much, or choose another directory with --models-dir.",
  );
}

/**
 * A failure to write, as the user is told of it; errors that have nothing to do with the disk as they are.
 *
 * @param remaining Bytes still to be written, where that is known.
 */
export async function diskError(error: unknown, directory: string, remaining?: number): Promise<unknown> {
  const code = errorCode(error);
  if (code === undefined || error instanceof PunieError || !/^E[A-Z0-9]+$/.test(code)) return error;
  const path = (error as { path?: string }).path ?? directory;
  if (FULL.has(code)) {
    const missing = (remaining ?? 1) - (await freeBytes(directory).catch(() => 0));
    return new PunieError(
      "DISK_FULL",
      `${path}: no room left (${code}): ${missing > 0 ? missing : "some"} bytes are missing. What has come is kept: ` +
        "free that much and run the same command again.",
      { cause: error },
    );
  }
  const left = remaining === undefined ? "" : ` ${remaining} bytes are still to be written.`;
  return new PunieError(
    "INVALID_OPTION",
    `${path}: can't be read or written (${code}).${left} What has come is kept: ` +
      "make it writable, or choose another directory with --models-dir.",
    { cause: error },
  );
}

/** As `freeBytes`, of the nearest directory that is there already. */
export async function freeBytesNear(path: string): Promise<number> {
  try {
    return await freeBytes(path);
  } catch (error) {
    const parent = dirname(path);
    if (!isAbsent(error) || parent === path) throw error;
    return await freeBytesNear(parent);
  }
}
