import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";

/**
 * What the Hub tells of a file's content: SHA-256 for large files (LFS), and for all others git's blob id, which is
 * SHA-1 of `blob SIZE\0` and the content. In hexadecimal digits.
 */
export type FileHash = { type: "sha256" | "git-sha1"; value: string };

/** Starts the hash of a file of `size` bytes. */
export function startHash(type: FileHash["type"], size: number): Hash {
  return type === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
}

const READ_BYTES = 1024 * 1024;

/** Feeds bytes `from` to `to` (exclusive) of a file to a hash, a piece at a time, the event loop free in between. */
export async function hashRange(
  file: FileHandle,
  hash: Hash,
  from: number,
  to: number,
  signal?: AbortSignal,
): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(READ_BYTES, to - from)));
  let position = from;
  while (position < to) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, to - position), position);
    if (bytesRead === 0) throw new Error(`the file ends at byte ${position}, ${to} were expected`);
    hash.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
}

/** The hash of a whole file, in hexadecimal digits. */
export async function hashFile(path: string, type: FileHash["type"], signal?: AbortSignal): Promise<string> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const hash = startHash(type, size);
    await hashRange(file, hash, 0, size, signal);
    return hash.digest("hex");
  } finally {
    await file.close();
  }
}
