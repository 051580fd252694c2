/** Processes that a process has started, as Linux tells them. */
import { readFileSync } from "node:fs";
import { isRunning } from "../../src/models/running-process.js";

/** False where a test that needs them has to be left out. */
export const TELLS_CHILDREN = process.platform === "linux";

export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
}

/** The one that was started last. */
export function lastChild(): number {
  const pid = childrenOf(process.pid).at(-1);
  if (pid === undefined) throw new Error("There is no child process.");
  return pid;
}

/** Waits until the process is gone, or a zombie that nobody has asked for. */
export async function untilGone(pid: number): Promise<void> {
  while (isRunning(pid) && !/^State:\sZ/m.test(readStatus(pid))) await new Promise((done) => setTimeout(done, 10));
}

function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}
