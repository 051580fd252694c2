/** The thread behind `HashThread`: hashes files in the order that it is told to. */
import type { Hash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { type FileHash, startHash } from "../models/file-hash.js";

export type HashRequest =
  | { file: number; do: "start"; path: string; type: FileHash["type"]; size: number }
  /** All bytes before `end` are written. */
  | { file: number; do: "follow"; end: number }
  | { file: number; do: "digest"; end: number }
  | { file: number; do: "close" };

export type HashReply = { file: number; digest: string } | { file: number; error: string };

/** Stays in the nearest caches between being read and being hashed: a twentieth less time than a megabyte. */
const READ_BYTES = 128 * 1024;
const buffer = Buffer.allocUnsafe(READ_BYTES);

interface Open {
  descriptor: number;
  hash: Hash;
  position: number;
}

const files = new Map<number, Open>();

function handle(request: HashRequest): HashReply | undefined {
  const { file } = request;
  if (request.do === "start") {
    close(file);
    const hash = startHash(request.type, request.size);
    files.set(file, { descriptor: openSync(request.path, "r"), hash, position: 0 });
    return undefined;
  }
  const open = files.get(file);
  if (open === undefined) return undefined;
  if (request.do === "close") {
    close(file);
    return undefined;
  }
  hashUpTo(open, request.end);
  return request.do === "digest" ? { file, digest: open.hash.copy().digest("hex") } : undefined;
}

function hashUpTo(open: Open, end: number): void {
  while (open.position < end) {
    const wanted = Math.min(READ_BYTES, end - open.position);
    const read = readSync(open.descriptor, buffer, 0, wanted, open.position);
    if (read === 0) throw new Error(`the file ends at byte ${open.position}, ${end} were expected`);
    open.hash.update(buffer.subarray(0, read));
    open.position += read;
  }
}

function close(file: number): void {
  const open = files.get(file);
  if (open !== undefined) closeSync(open.descriptor);
  files.delete(file);
}

parentPort?.on("message", (request: HashRequest) => {
  try {
    const reply = handle(request);
    if (reply !== undefined) parentPort?.postMessage(reply);
  } catch (error) {
    parentPort?.postMessage({ file: request.file, error: (error as Error).message } satisfies HashReply);
  }
});
