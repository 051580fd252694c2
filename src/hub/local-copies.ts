import { constants } from "node:fs";
import { copyFile, link, lstat, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeDirectory } from "../make-directory.js";
import { hashFile } from "../models/file-hash.js";
import type { Manifest } from "../models/manifest.js";
import { directoryName } from "../models/model-name.js";
import { errorCode } from "../models/system-error.js";
import type { HubFile } from "./hub-client.js";
import { type Content, verifiedPath } from "./partial-file.js";

/**
 * True when the file in its place is the wanted one: by the manifest and its size, else by its hash.
 *
 * @param manifest What is known of the directory's files; undefined to trust nothing but their hashes.
 */
export async function isInPlace(
  directory: string,
  file: HubFile,
  manifest: Manifest | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const path = join(directory, file.path);
  if ((await regularFileSize(path)) !== file.size) return false;
  const listed = manifest?.files.find((entry) => entry.path === file.path);
  if (listed !== undefined) return listed.size === file.size && listed.hash.value === file.hash.value;
  return (await hashFile(path, file.hash.type, signal)) === file.hash.value;
}

/** True when an earlier run has fetched and verified this content. */
export async function isStaged(staging: string, content: Content): Promise<boolean> {
  return (await regularFileSize(verifiedPath(staging, content))) === content.size;
}

/** True when another tool has put a content of this size into the Hugging Face cache; its hash is looked at when it is taken. */
export async function isCached(cache: string, repository: string, content: Content): Promise<boolean> {
  const info = await stat(cachedPath(cache, repository, content)).catch(() => undefined);
  return info?.isFile() === true && info.size === content.size;
}

/** The cache names its files as the Hub does: SHA-256 for large ones, git's blob id for the others. */
function cachedPath(cache: string, repository: string, content: Content): string {
  return join(cache, `models--${directoryName(repository)}`, "blobs", content.hash.value);
}

/**
 * Takes a content from the Hugging Face cache, where another tool may have put it, when its hash is right.
 *
 * @returns False when it isn't there.
 */
export async function takeFromCache(
  cache: string,
  repository: string,
  content: Content,
  staging: string,
  signal: AbortSignal,
): Promise<boolean> {
  const blob = cachedPath(cache, repository, content);
  try {
    if ((await stat(blob)).size !== content.size) return false;
    if ((await hashFile(blob, content.hash.type, signal)) !== content.hash.value) return false;
  } catch {
    signal.throwIfAborted();
    // Another tool's cache that can't be read is as good as none.
    return false;
  }
  const target = verifiedPath(staging, content);
  await copyOrLink(blob, `${target}.copy`);
  await rename(`${target}.copy`, target);
  return true;
}

/** A copy that shares the blocks where the file system can, else a link, else a copy. */
async function copyOrLink(source: string, target: string): Promise<void> {
  await rm(target, { force: true });
  try {
    await copyFile(source, target, constants.COPYFILE_FICLONE_FORCE);
  } catch (error) {
    if (errorCode(error) === "ENOSPC") throw error;
    await rm(target, { force: true });
    await link(source, target).catch(() => copyFile(source, target));
  }
}

/** Puts a verified content in its place, by a rename: what a program has mapped is replaced, never written over. */
export async function putInPlace(staging: string, content: Content, target: string, isLast: boolean): Promise<void> {
  await makeDirectory(dirname(target));
  const source = verifiedPath(staging, content);
  if (isLast) return await rename(source, target);
  await copyOrLink(source, `${source}.copy`);
  await rename(`${source}.copy`, target);
}

async function regularFileSize(path: string): Promise<number | undefined> {
  const info = await lstat(path).catch(() => undefined);
  return info?.isFile() ? info.size : undefined;
}
