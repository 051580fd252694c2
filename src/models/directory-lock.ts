import { randomUUID } from "node:crypto";
import { open, readFile, rm, stat, unlink, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { PunieError } from "../errors.js";
import { makeDirectory } from "../make-directory.js";
import { isRunning, startTime } from "./running-process.js";
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
// A takeover is a few calls of the file system: whoever finds one under way sees it end within these.
const MAX_ATTEMPTS = 100;
const RETRY_MS = 10;
// Each guard beyond the first means that one more process was killed in the middle of a takeover.
const MAX_GUARDS = 3;

interface Holder {
  id: string;
  pid: number;
  host: string;
  /** When the process started, where the system tells. */
  started?: string | undefined;
  since: string;
}

/**
 * @param path The lock's file; its directory is made.
 * @throws PunieError `DOWNLOAD_LOCKED`, saying who holds it.
 */
export async function acquireLock(path: string, what: string): Promise<DirectoryLock> {
  await makeDirectory(dirname(path));
  const own: Holder = {
    id: randomUUID(),
    pid: process.pid,
    host: hostname(),
    started: startTime(process.pid),
    since: new Date().toISOString(),
  };
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    if (await claim(path, own, MAX_GUARDS)) return hold(path, own, what);
    const found = await inspect(path);
    if (found === "gone") continue;
    if (!found.isDead) throw locked(what, path, found.holder);
    await sleep(RETRY_MS);
  }
  // Whoever the file names is dead; who is taking over from it isn't in there yet.
  throw locked(what, path, "gone");
}

/** True when a living process holds the lock. */
export async function isLocked(path: string): Promise<boolean> {
  const found = await inspect(path);
  return found !== "gone" && !found.isDead;
}

/** Removes the lock of a process that was killed; one that is held is left alone. */
export async function clearDeadLock(path: string): Promise<void> {
  // It is in nobody's way: where it can't be removed it stays.
  const lock = (await isAbandoned(path)) && (await acquireLock(path, path).catch(() => undefined));
  if (lock) await lock.release();
}

/** Makes the file `own`, a dead holder's too. False when another has it, or was faster. */
async function claim(path: string, own: Holder, guards: number): Promise<boolean> {
  if (await create(path, own)) return true;
  if (!(await isAbandoned(path)) || guards === 0) return false;
  if (!(await removeAbandoned(path, own, guards))) return false;
  return await create(path, own);
}

/**
 * Of two that saw the same dead holder, the slower must not remove the faster one's new lock: a dead holder's file is
 * looked at again, and removed, only by who holds its guard. The guard is such a file itself: it is claimed in the same
 * way, so that one whose process was killed bars nobody for ever.
 */
async function removeAbandoned(path: string, own: Holder, guards: number): Promise<boolean> {
  const guard = `${path}.takeover`;
  if (!(await claim(guard, own, guards - 1))) return false;
  try {
    if (await isAbandoned(path)) await rm(path, { force: true });
    return true;
  } finally {
    await removeOwn(guard, own);
  }
}

async function isAbandoned(path: string): Promise<boolean> {
  const found = await inspect(path);
  return found !== "gone" && found.isDead;
}

async function removeOwn(path: string, own: Holder): Promise<void> {
  const holder = await readHolder(path).catch(() => undefined);
  if (holder !== undefined && holder !== "gone" && holder.id === own.id) await unlink(path).catch(() => undefined);
}

async function create(path: string, own: Holder): Promise<boolean> {
  try {
    const file = await open(path, "wx");
    try {
      await file.writeFile(JSON.stringify(own));
    } catch (error) {
      // Without a name in it the file would count as a living holder's.
      await unlink(path).catch(() => undefined);
      throw error;
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
    await removeOwn(path, own);
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
    const { id, pid, host, started, since } = JSON.parse(text) as Record<string, unknown>;
    const known = typeof started === "string" ? started : undefined;
    return { id: String(id), pid: Number(pid), host: String(host), started: known, since: String(since) };
  } catch {
    return { id: "", pid: 0, host: "", since: "" };
  }
}

async function inspect(path: string): Promise<{ holder: Holder; isDead: boolean } | "gone"> {
  const holder = await readHolder(path);
  if (holder === "gone") return "gone";
  if (holder.host === hostname() && holder.pid > 0) {
    if (!isStillRunning(holder)) return { holder, isDead: true };
    // However long ago it touched its lock: it may have been suspended, and goes on writing.
    if (holder.started !== undefined) return { holder, isDead: false };
  }
  try {
    return { holder, isDead: Date.now() - (await stat(path)).mtimeMs > STALE_MS };
  } catch (error) {
    if (isAbsent(error)) return "gone";
    throw error;
  }
}

/** False also when its number is another process's now. */
function isStillRunning({ pid, started }: Holder): boolean {
  if (!isRunning(pid)) return false;
  const found = started === undefined ? undefined : startTime(pid);
  return found === undefined || found === started;
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
