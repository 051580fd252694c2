/** An engine in a worker thread of this process. */
import { Worker } from "node:worker_threads";
import { type EngineHost, entryFile, type HostListener } from "./engine-host.js";
import type { FromEngine, ToEngine } from "./messages.js";

export function openWorkerHost(listener: HostListener): EngineHost {
  // Its streams are piped, and read by nobody: nothing that it prints may get into this process's output.
  const worker = new Worker(entryFile("worker-entry.js"), { execArgv: [], stdout: true, stderr: true });
  let failure: string | undefined;
  worker.on("message", (message: FromEngine) => listener.message(message));
  worker.on("error", (error: Error) => {
    failure = `failed: ${error.message}`;
  });
  worker.on("exit", (code) => listener.ended(failure ?? `exited with code ${code}`));
  return {
    post: (message: ToEngine) => worker.postMessage(message),
    ref: () => worker.ref(),
    unref: () => worker.unref(),
    kill: () => void worker.terminate(),
  };
}
