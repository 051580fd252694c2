import { join } from "node:path";
import { PunieError } from "../errors.js";
import { inspectModel } from "./completeness.js";
import { hashFile } from "./file-hash.js";
import { manifestPath, readManifest } from "./manifest.js";
import { errorCode, isAbsent } from "./system-error.js";

export interface VerifiedFile {
  path: string;
  /** Bytes that the manifest tells. */
  size: number;
  state: "ok" | "missing" | "changed";
}

export interface VerifyOptions {
  signal?: AbortSignal | undefined;
  /** Called after each file. */
  onFile?: ((file: VerifiedFile) => void) | undefined;
}

/**
 * Hashes every file that the model's manifest lists. Changes nothing.
 *
 * @param directory A model directory that punie downloaded.
 * @throws PunieError `MODEL_NOT_FOUND` when there is no manifest to hold it to, `MODEL_CORRUPT` when a file can't be read.
 */
export async function verifyModel(directory: string, options: VerifyOptions = {}): Promise<VerifiedFile[]> {
  const manifest = await readManifest(directory);
  if (manifest === undefined) {
    const { state } = await inspectModel(directory);
    const why = state === "partial" ? "its download is not finished" : "punie didn't download it";
    throw new PunieError("MODEL_NOT_FOUND", `${manifestPath(directory)}: nothing to verify against: ${why}.`);
  }
  const files: VerifiedFile[] = [];
  for (const { path, size, hash } of manifest.files) {
    options.signal?.throwIfAborted();
    const found = await hashOf(join(directory, path), hash.type, options.signal);
    const state = found === undefined ? "missing" : found === hash.value ? "ok" : "changed";
    const file: VerifiedFile = { path, size, state };
    files.push(file);
    options.onFile?.(file);
  }
  return files;
}

async function hashOf(path: string, type: "sha256" | "git-sha1", signal?: AbortSignal): Promise<string | undefined> {
  try {
    return await hashFile(path, type, signal);
  } catch (cause) {
    if (isAbsent(cause)) return undefined;
    if (errorCode(cause) === undefined || signal?.aborted) throw cause;
    throw new PunieError("MODEL_CORRUPT", `${path}: can't be read (${errorCode(cause)}).`, { cause });
  }
}
