import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, stat, unlink, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { PunieError } from "../errors.js";
import { errorCode, isAbsent } from "./system-error.js";

/**
 * A lock that is a file made with O_EXCL: it holds on network file systems without flock too. The holder touches it
 * while it lives; one of a dead process on this host, or untouched for long, is taken over.
 */
export interface DirectoryLock {
  /** Aborted with a `DOWNLOAD_LOCKED` error when another process has taken the lock over. */
  readonly lost: AbortSignal;
  /** Idempotent. */
  release(): Promise<void>;
}

const TOUCH_MS = 5_000;
// Many touches: a machine that slept, or a slow network file system, is not dead.
const STALE_MS = 120_000;

interface Holder {
  id: string;
  pid: number;
  host: string;
  since: string;
}

/**
 * @param path The lock's file; its directory is made.
 * @throws PunieError `DOWNLOAD_LOCKED`, saying who holds it.
 */
export async function acquireLock(path: string, what: string): Promise<DirectoryLock> {
  await mkdir(dirname(path), { recursive: true });
  const own: Holder = { id: randomUUID(), pid: process.pid, host: hostname(), since: new Date().toISOString() };
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    if (await create(path, own)) return hold(path, own, what);
    const holder = await readHolder(path);
    if (holder === "gone") continue;
    if (!(await isDead(path, holder))) throw locked(what, path, holder);
    await takeAway(path, holder);
  }
  throw locked(what, path, await readHolder(path));
}

// Each failed attempt means that another process took or left the lock in between.
const MAX_ATTEMPTS = 10;

/** True when a living process holds the lock. */
export async function isLocked(path: string): Promise<boolean> {
  const holder = await readHolder(path);
  return holder !== "gone" && !(await isDead(path, holder));
}

async function create(path: string, own: Holder): Promise<boolean> {
  try {
    const file = await open(path, "wx");
    try {
      await file.writeFile(JSON.stringify(own));
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

function hold(path: string, own: Holder, what: string): DirectoryLock {
  const lost = new AbortController();
  const timer = setInterval(async () => {
    const holder = await readHolder(path).catch(() => own);
    if (holder !== "gone" && holder.id === own.id) {
      await utimes(path, new Date(), new Date()).catch(() => undefined);
    } else {
      clearInterval(timer);
      lost.abort(locked(what, path, holder));
    }
  }, TOUCH_MS);
  timer.unref();
  let released: Promise<void> | undefined;
  const release = async () => {
    clearInterval(timer);
    const holder = await readHolder(path).catch(() => undefined);
    if (holder !== undefined && holder !== "gone" && holder.id === own.id) await unlink(path).catch(() => undefined);
  };
  return {
    lost: lost.signal,
    release: () => {
      released ??= release();
      return released;
    },
  };
}

/** A lock whose writer was killed before it wrote its name reads as a holder without one. */
async function readHolder(path: string): Promise<Holder | "gone"> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (isAbsent(error)) return "gone";
    throw error;
  }
  try {
    const { id, pid, host, since } = JSON.parse(text) as Record<string, unknown>;
    return { id: String(id), pid: Number(pid), host: String(host), since: String(since) };
  } catch {
    return { id: "", pid: 0, host: "", since: "" };
  }
}

async function isDead(path: string, holder: Holder): Promise<boolean> {
  if (holder.host === hostname() && holder.pid > 0 && !isRunning(holder.pid)) return true;
  try {
    return Date.now() - (await stat(path)).mtimeMs > STALE_MS;
  } catch (error) {
    if (isAbsent(error)) return true;
    throw error;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) !== "ESRCH";
  }
}

/** Removes a dead holder's lock by way of a rename, so that of two processes only one removes it. */
async function takeAway(path: string, dead: Holder): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (isAbsent(error)) return;
    throw error;
  }
  const taken = await readHolder(aside);
  // Between the look and the rename another process may have made it its own: give it back.
  if (taken !== "gone" && taken.id !== dead.id) await rename(aside, path);
  else await unlink(aside);
}

function locked(what: string, path: string, holder: Holder | "gone"): PunieError {
  const who =
    holder === "gone" || holder.pid === 0
      ? "another process"
      : `process ${holder.pid} on ${holder.host} since ${holder.since}`;
  return new PunieError(
    "DOWNLOAD_LOCKED",
    `${what} is held by ${who}. Wait for it, or stop it and try again. Lock: ${path}`,
  );
}
