import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { paths } from "./paths.mjs";
import { progress } from "./report.mjs";

const POLL_MS = 200;

/**
 * Runs `work` while no other process of this checkout holds the lock `name`: two terminals may both say `npm test`.
 * A lock whose process is gone is taken over.
 */
export async function withLock(name, work) {
  const file = path.join(paths.build, `.${name}.lock`);
  fs.mkdirSync(paths.build, { recursive: true });
  let told = false;
  while (!take(file)) {
    if (!told) progress(`waiting for another ${name} in this directory (process ${owner(file) ?? "unknown"})...`);
    told = true;
    await sleep(POLL_MS);
  }
  try {
    return await work();
  } finally {
    fs.rmSync(file, { force: true });
  }
}

/** The lock appears with its owner's id already in it: a link to a finished file, never a file half written. */
function take(file) {
  const mine = `${file}.${process.pid}`;
  fs.writeFileSync(mine, String(process.pid));
  try {
    if (link(mine, file)) return true;
    if (!abandoned(file)) return false;
    removeAbandoned(file, mine);
    return link(mine, file);
  } finally {
    fs.rmSync(mine, { force: true });
  }
}

/** Under a lock of its own: of two that saw the same dead owner, the slower must not remove the faster one's lock. */
function removeAbandoned(file, mine) {
  const guard = `${file}.takeover`;
  if (!link(mine, guard)) {
    if (abandoned(guard)) fs.rmSync(guard, { force: true });
    return;
  }
  if (abandoned(file)) fs.rmSync(file, { force: true });
  fs.rmSync(guard, { force: true });
}

function link(from, to) {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

function abandoned(file) {
  const pid = owner(file);
  return pid !== undefined && !alive(pid);
}

function owner(file) {
  try {
    return Number(fs.readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
