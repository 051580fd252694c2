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
