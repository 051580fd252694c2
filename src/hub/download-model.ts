import { open, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { PunieError } from "../errors.js";
import { makeDirectory } from "../make-directory.js";
import { type Completeness, inspectModel } from "../models/completeness.js";
import { acquireLock, clearDeadLock, type DirectoryLock } from "../models/directory-lock.js";
import { type Manifest, PUNIE_DIRECTORY } from "../models/manifest.js";
import { modelLockPath } from "../models/remove-model.js";
import { checkModelType } from "./check-model-type.js";
import { diskError, freeBytes, freeBytesNear, requireRoom } from "./disk.js";
import type { DownloadEvent, PlannedFile } from "./download-events.js";
import type { DownloadOptions } from "./download-options.js";
import { offlineError, type Session, withSession } from "./download-session.js";
import type { HubFile, RepositoryInfo } from "./hub-client.js";
import { installFiles } from "./install-files.js";
import { isStaged, takeFromCache } from "./local-copies.js";
import { resumableBytes } from "./partial-file.js";
import { type FilePlan, planFiles } from "./plan-files.js";
import { RateLimit } from "./rate-limit.js";
import { type TransferItem, transferFiles } from "./transfer.js";

export interface DownloadResult {
  /** The model's directory. */
  path: string;
  /** Commit of the repository that it holds. */
  commit: string;
  /** Its files, paths relative to `path`, sizes in bytes. */
  files: { path: string; size: number }[];
  /** Bytes of all files. */
  bytes: number;
  /** Bytes that came over the network in this call. */
  fetchedBytes: number;
}

export interface DownloadPlan {
  repository: string;
  commit: string;
  /** Where it would be. */
  path: string;
  files: PlannedFile[];
  totalBytes: number;
  /** Bytes that would be fetched. */
  fetchBytes: number;
  /** Bytes that are free there. */
  freeBytes: number;
}

const DEFAULT_CONNECTIONS = 8;
/** Large enough that a request costs little beside it, small enough that all connections end at about one time. */
const PART_BYTES = 32 * 1024 * 1024;

/**
 * Fetches a model's files from the Hub into the models directory, verified by their hashes. The model counts as
 * downloaded only when all are there. After an abort, an error or a crash the same call goes on where it stopped, also
 * inside a file.
 *
 * @param name `ORG/NAME`, `local:ORG/NAME`, or `local` for the default model.
 * @throws PunieError `INVALID_OPTION`, `HUB_UNREACHABLE`, `HUB_NOT_FOUND`, `HUB_DENIED`, `HUB_CORRUPT`, `DISK_FULL`,
 * `DOWNLOAD_LOCKED`, `MODEL_UNSUPPORTED` (no safetensors weights, or a model_type that doesn't run here); the signal's reason after an abort.
 */
export async function downloadModel(name: string, options: DownloadOptions = {}): Promise<DownloadResult> {
  return await withSession(name, options, download);
}

/** What `downloadModel` would do, with the same errors. Asks the Hub, writes nothing. */
export async function planDownload(name: string, options: DownloadOptions = {}): Promise<DownloadPlan> {
  return await withSession(name, options, async (session) => {
    if (session.isOffline) throw offlineError(session.repository);
    const { commit } = await session.client().info();
    const plan = await planFiles(session, commit, await inspectModel(session.directory));
    await checkModelType(session, plan);
    return {
      repository: session.repository,
      commit,
      path: session.directory,
      files: plan.planned,
      totalBytes: plan.totalBytes,
      fetchBytes: plan.totalBytes - plan.haveBytes,
      freeBytes: await freeBytesNear(session.directory),
    };
  });
}

async function download(session: Session): Promise<DownloadResult> {
  const before = await inspectModel(session.directory);
  const info = await latest(session, before);
  if (info === undefined || isSettled(session, before, info)) {
    await clearDeadLock(modelLockPath(session.directory));
    return asItIs(session, before, info);
  }

  // Before anything is written: a repository that can't be had leaves no trace.
  const plan = await planFiles(session, info.commit, before);
  await checkModelType(session, plan);
  const lock = await lockModel(session);
  const locked: Session = { ...session, signal: AbortSignal.any([session.signal, lock.lost]) };
  try {
    // Another process may have finished it, or some of it, while we came to the lock.
    const found = await inspectModel(session.directory);
    if (isSettled(locked, found, info)) return asItIs(locked, found, info);
    const isUnchanged = JSON.stringify(found) === JSON.stringify(before);
    return await fetchAndInstall(locked, isUnchanged ? plan : await planFiles(locked, info.commit, found), found);
  } catch (error) {
    session.signal.throwIfAborted();
    throw await diskError(error, session.directory);
  } finally {
    await lock.release();
    await removeEmpty([session.staging, join(session.directory, PUNIE_DIRECTORY), session.directory]);
  }
}

/** What failed before anything came leaves nothing behind. */
async function removeEmpty(directories: readonly string[]): Promise<void> {
  for (const directory of directories) await rmdir(directory).catch(() => undefined);
}

/** Asks the Hub which commit is meant; undefined when a whole model is there and the Hub isn't to be had. */
async function latest(session: Session, found: Completeness): Promise<RepositoryInfo | undefined> {
  const { repository } = session;
  const whole = found.state === "downloaded" && !session.options.force && !session.options.update ? found : undefined;
  const leave = (reason: string) => {
    const commit = whole?.manifest.commit ?? "";
    tell(session, { type: "not-checked", repository, commit, path: session.directory, reason });
    return undefined;
  };
  if (session.isOffline) {
    if (whole && matchesSelection(whole.manifest, session)) return leave("HF_HUB_OFFLINE is set");
    throw offlineError(repository);
  }
  try {
    // One try is enough when nothing depends on it.
    const info = await session.client(whole ? 1 : undefined).info();
    if (info.name.toLowerCase() !== repository.toLowerCase()) {
      tell(session, { type: "renamed", repository, to: info.name });
    }
    return info;
  } catch (error) {
    if (!(error instanceof PunieError) || error.code !== "HUB_UNREACHABLE") throw error;
    if (whole && matchesSelection(whole.manifest, session)) return leave("the Hub can't be reached");
    throw error;
  }
}

/** True when what is there is to be left as it is: it is what was asked for, or a newer one was not asked for. */
function isSettled(session: Session, found: Completeness, info: RepositoryInfo): boolean {
  if (found.state !== "downloaded" || session.options.force) return false;
  const { manifest } = found;
  if (!matchesSelection(manifest, session)) return false;
  return manifest.commit === info.commit || (manifest.revision === session.revision && !session.options.update);
}

function matchesSelection(manifest: Manifest, { options }: Session): boolean {
  const same = (a: readonly string[] = [], b: readonly string[] = []) => JSON.stringify(a) === JSON.stringify(b);
  return same(manifest.include, options.include) && same(manifest.exclude, options.exclude);
}

function asItIs(session: Session, found: Completeness, info: RepositoryInfo | undefined): DownloadResult {
  if (found.state !== "downloaded") throw new PunieError("INTERNAL", "a model that isn't there was left as it is");
  const { manifest } = found;
  const { repository, directory: path } = session;
  if (info !== undefined && info.commit !== manifest.commit) {
    tell(session, { type: "update-available", repository, commit: manifest.commit, latest: info.commit, path });
  } else if (info !== undefined) {
    tell(session, { type: "up-to-date", repository, commit: manifest.commit, path });
  }
  return result(session, manifest, 0);
}

async function fetchAndInstall(session: Session, plan: FilePlan, found: Completeness): Promise<DownloadResult> {
  const { repository, directory, staging, options } = session;
  const { commit, planned: files, totalBytes, haveBytes } = plan;
  tell(session, { type: "plan", repository, commit, path: directory, files, totalBytes, haveBytes });

  if (options.force) await rm(staging, { recursive: true, force: true });
  await makeDirectory(staging);
  const fetchedBytes = await fetchMissing(session, plan);

  const previous = "manifest" in found ? found.manifest : undefined;
  const manifest: Manifest = {
    version: 1,
    repo: repository,
    revision: session.revision,
    commit,
    ...(options.include && { include: [...options.include] }),
    ...(options.exclude && { exclude: [...options.exclude] }),
    files: plan.files.map(({ path, size, hash }) => ({ path, size, hash })),
  };
  session.signal.throwIfAborted();
  await installFiles(directory, staging, plan.missing, manifest, previous);
  return result(session, manifest, fetchedBytes);
}

/** Brings every missing content into the staging directory, verified. Returns the bytes that came over the network. */
async function fetchMissing(session: Session, plan: FilePlan): Promise<number> {
  const { staging, signal, options } = session;
  const items: TransferItem[] = [];
  const contents = new Map(plan.missing.map((file) => [file.hash.value, file]));
  for (const file of contents.values()) {
    if (await isStaged(staging, file)) continue;
    if (!options.force && (await takeFromCache(session.cache, session.repository, file, staging, signal))) continue;
    items.push(await transferItem(session, plan.commit, file));
  }
  const pendingBytes = items.reduce((sum, item) => sum + item.content.size, 0);
  const haveBytes = items.reduce((sum, item) => sum + item.have, 0);
  const freeIn = options.freeBytes ?? freeBytes;
  await requireRoom(staging, pendingBytes - haveBytes, freeIn);

  let fetchedBytes = 0;
  const client = session.client();
  await transferFiles(
    items,
    {
      ...session,
      subject: client.subject,
      openFile: options.openFile ?? open,
      connections: options.connections ?? DEFAULT_CONNECTIONS,
      ownsPieces: options.fetch === undefined,
      partBytes: options.partBytes ?? PART_BYTES,
      freeBytes: freeIn,
      rateLimit: options.maxRate === undefined ? undefined : new RateLimit(options.maxRate),
      onProgress: (event) => tell(session, event),
      totalBytes: plan.totalBytes,
      presentBytes: plan.totalBytes - pendingBytes,
    },
    (bytes) => {
      fetchedBytes += bytes;
    },
  );
  return fetchedBytes;
}

async function transferItem(session: Session, commit: string, file: HubFile): Promise<TransferItem> {
  const sha256 = file.hash.type === "sha256" ? file.hash.value : undefined;
  const url = session.client().fileUrl(commit, file.path);
  return {
    path: file.path,
    content: file,
    remote: { url, size: file.size, sha256 },
    have: await resumableBytes(session.staging, file),
  };
}

async function lockModel(session: Session): Promise<DirectoryLock> {
  try {
    return await acquireLock(modelLockPath(session.directory), `The download of '${session.repository}'`);
  } catch (error) {
    throw await diskError(error, session.directory);
  }
}

function result(session: Session, manifest: Manifest, fetchedBytes: number): DownloadResult {
  const files = manifest.files.map(({ path, size }) => ({ path, size }));
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  return { path: session.directory, commit: manifest.commit, files, bytes, fetchedBytes };
}

function tell(session: Session, event: DownloadEvent): void {
  session.options.onProgress?.(event);
}
