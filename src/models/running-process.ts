import { readFileSync } from "node:fs";
import { errorCode } from "./system-error.js";

/** Whether a process of this machine is there; also true for another user's. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) !== "ESRCH";
  }
}

/**
 * When a process started, as the system counts it; undefined where it doesn't tell. With it a process's number says who
 * it is: numbers are used again, in a container after each start.
 */
export function startTime(pid: number): string | undefined {
  try {
    // Linux: the 22nd field; the second, the program's name, may hold spaces and brackets.
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
