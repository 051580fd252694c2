/** The thread's side of `worker-thread.ts`: answers each request with a value or a coded error. */
import { parentPort } from "node:worker_threads";
import { type ErrorCode, PunieError } from "../errors.js";
import type { WorkerReply } from "./worker-thread.js";

export interface Answer {
  value: unknown;
  /** Buffers that are handed over instead of copied. */
  transfer?: ArrayBuffer[];
}

/** Calls `handle` for each request; an error that is no `PunieError` is answered with `fallback` as its code. */
export function serveRequests<Request extends { id: number }>(
  handle: (request: Request) => Answer | Promise<Answer>,
  fallback: ErrorCode,
): void {
  const port = parentPort;
  if (!port) throw new Error("serveRequests runs in a worker thread only");
  const reply = (message: WorkerReply, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
  port.on("message", async (request: Request) => {
    try {
      const { value, transfer } = await handle(request);
      reply({ id: request.id, ok: true, value }, transfer);
    } catch (error) {
      const code = error instanceof PunieError ? error.code : fallback;
      reply({ id: request.id, ok: false, code, message: error instanceof Error ? error.message : String(error) });
    }
  });
}
