/**
 * A worker thread that answers requests one after another, under a time-out and a heap limit.
 * What runs there may come from a stranger's model directory: a thread can be ended, a loop on the main thread can't.
 */
import { Worker } from "node:worker_threads";
import { type ErrorCode, PunieError } from "../errors.js";
import { packageFile } from "../package-root.js";

/** What the thread answers. `gone` never comes from the thread: it stands for a thread that ended. */
export type WorkerReply =
  | { id: number; ok: true; value: unknown }
  | { id: number; ok: false; code: ErrorCode; message: string };

export interface WorkerThreadOptions {
  /** Path of the compiled entry below `dist/`, such as `tokenizer/tokenizer-worker.js`. */
  entry: string;
  workerData?: unknown;
  /** Heap limit of the thread, in MiB. */
  heapMiB: number;
  /** What the thread works on, for messages, such as `tokenizer.json of /models/x`. */
  subject: string;
}

export interface RequestOptions {
  /** The thread is ended when its answer takes longer, in milliseconds. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

interface Pending {
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
  settle: () => void;
}

/** Starts on the first request, and again after it had to be ended. */
export class WorkerThread {
  readonly #options: WorkerThreadOptions;
  #worker: Worker | undefined;
  #pending = new Map<number, Pending>();
  #nextId = 1;
  #closed = false;

  constructor(options: WorkerThreadOptions) {
    this.#options = options;
  }

  /**
   * Sends `message` and resolves with the thread's answer.
   * Rejects with the thread's `PunieError`, with `MODEL_CORRUPT` when it took too long or ran out of memory, with the
   * signal's reason, or with `MODEL_DISPOSED` after `close`.
   */
  request(message: object, { timeoutMs, signal }: RequestOptions): Promise<unknown> {
    if (this.#closed) {
      return Promise.reject(new PunieError("MODEL_DISPOSED", `${this.#options.subject}: used after it was closed.`));
    }
    if (signal?.aborted) return Promise.reject(signal.reason);
    const worker = this.#start();
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#end(signal?.reason);
      const timer = setTimeout(() => {
        const seconds = Math.round(timeoutMs / 100) / 10;
        this.#end(new PunieError("MODEL_CORRUPT", `${this.#options.subject}: not done after ${seconds} s; given up.`));
      }, timeoutMs);
      signal?.addEventListener("abort", onAbort, { once: true });
      const settle = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        this.#pending.delete(id);
        if (this.#pending.size === 0) this.#worker?.unref();
      };
      this.#pending.set(id, { resolve, reject, settle });
      worker.ref();
      worker.postMessage({ id, ...message });
    });
  }

  /** Ends the thread. Requests in flight reject with `MODEL_DISPOSED`. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#end(new PunieError("MODEL_DISPOSED", `${this.#options.subject}: closed while in use.`));
  }

  #start(): Worker {
    if (this.#worker) return this.#worker;
    const worker = new Worker(packageFile(`dist/${this.#options.entry}`), {
      workerData: this.#options.workerData,
      resourceLimits: { maxOldGenerationSizeMb: this.#options.heapMiB },
      // The thread's own flags only: a loader or inspector of the parent has no business there.
      execArgv: [],
    });
    worker.on("message", (reply: WorkerReply) => {
      const pending = this.#pending.get(reply.id);
      if (!pending) return;
      pending.settle();
      if (reply.ok) pending.resolve(reply.value);
      else pending.reject(new PunieError(reply.code, reply.message));
    });
    worker.on("error", (error: Error & { code?: string }) => {
      if (worker === this.#worker) void this.#end(this.#deathOf(error));
    });
    worker.on("exit", (code) => {
      if (worker === this.#worker) void this.#end(this.#deathOf(new Error(`thread exited with ${code}`)));
    });
    this.#worker = worker;
    return worker;
  }

  #deathOf(error: Error & { code?: string }): PunieError {
    const { subject, heapMiB } = this.#options;
    return error.code === "ERR_WORKER_OUT_OF_MEMORY"
      ? new PunieError("MODEL_CORRUPT", `${subject}: needs more than ${heapMiB} MiB of memory.`, { cause: error })
      : new PunieError("INTERNAL", `${subject}: its thread failed: ${error.message}`, { cause: error });
  }

  /** Ends the thread and rejects what waits for it; the next request starts a new one. */
  async #end(reason: unknown): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    for (const pending of [...this.#pending.values()]) {
      pending.settle();
      pending.reject(reason);
    }
    await worker?.terminate();
  }
}
