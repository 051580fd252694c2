/** A directory that appears whole or not at all. */
import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { PunieError } from "../errors.js";
import { makeDirectory } from "../make-directory.js";
import { syncDirectory } from "../models/manifest.js";
import { isRunning } from "../models/running-process.js";
import { errorCode } from "../models/system-error.js";

/** @throws PunieError `INVALID_OPTION` when something has that name already. */
export async function requireAbsent(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found) throw new PunieError("INVALID_OPTION", `${path} exists already; choose another directory or remove it.`);
}

/**
 * Lets `write` fill a temporary sibling of `path`, which then gets its name; a failure leaves nothing behind. What a
 * killed process left there is removed.
 *
 * @throws PunieError `DISK_FULL`; `INVALID_OPTION` where nothing can be written; what `write` throws.
 */
export async function fillDirectory<T>(path: string, write: (directory: string) => Promise<T>): Promise<T> {
  try {
    await makeDirectory(dirname(path));
    await removeLeftovers(path);
    const temporary = join(dirname(path), `${prefixOf(path)}${process.pid}-${randomUUID()}`);
    await mkdir(temporary);
    try {
      const result = await write(temporary);
      await syncTree(temporary);
      await rename(temporary, path);
      await syncDirectory(dirname(path));
      return result;
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      throw error;
    }
  } catch (error) {
    throw diskError(error, path);
  }
}

/** All of it is on the disk before the directory has its name, so that it is whole even after a power cut. */
async function syncTree(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    else await syncFile(path);
  }
  await syncDirectory(directory);
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function prefixOf(path: string): string {
  return `.${basename(path)}.partial-`;
}

async function removeLeftovers(path: string): Promise<void> {
  const prefix = prefixOf(path);
  for (const name of await readdir(dirname(path))) {
    const pid = name.startsWith(prefix) ? Number(/^(\d+)-/.exec(name.slice(prefix.length))?.[1]) : Number.NaN;
    if (Number.isInteger(pid) && !isRunning(pid)) await rm(join(dirname(path), name), { recursive: true, force: true });
  }
}

/** @throws PunieError `DISK_FULL` when `bytes` don't fit where `directory` lies. */
export async function requireRoom(directory: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  if (free >= bytes) return;
  throw new PunieError(
    "DISK_FULL",
    `${dirname(directory)}: the model takes ${bytes} bytes, and ${free} are free: ${bytes - free} are missing.`,
  );
}

function diskError(error: unknown, path: string): unknown {
  if (error instanceof PunieError) return error;
  const code = errorCode(error);
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") {
    return new PunieError("DISK_FULL", `No space left for ${path}.`, { cause: error });
  }
  if (code === "ENOTEMPTY" || code === "EEXIST") {
    return new PunieError("INVALID_OPTION", `${path} exists already; choose another directory or remove it.`);
  }
  if (code === undefined || !(error instanceof Error && "syscall" in error)) return error;
  return new PunieError("INVALID_OPTION", `${path} can't be written (${code}).`, { cause: error });
}

/** A new file of a directory that `fillDirectory` puts on the disk. */
export async function writeText(path: string, text: string): Promise<void> {
  await writeFile(path, text, { flag: "wx" });
}

/** @param indent Spaces of each level. */
export async function writeJson(path: string, value: unknown, indent = 2): Promise<void> {
  await writeText(path, `${JSON.stringify(value, null, indent)}\n`);
}
