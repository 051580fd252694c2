/**
 * A worker thread that answers requests one after another, under a time-out and a heap limit.
 * What runs there may come from a stranger's model directory: a thread can be ended, a loop on the main thread can't.
 */
import { Worker } from "node:worker_threads";
import { type ErrorCode, PunieError } from "../errors.js";
import { packageFile } from "../package-root.js";

/** What the thread answers. */
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
  /** The thread is ended when its answer takes longer, in milliseconds from when it began with it. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

interface Job {
  message: object;
  timeoutMs: number;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
  /** It is answered, or given up: nobody listens to its signal any more. */
  settle: () => void;
}

/** A timer that fires so late, in milliseconds, tells of a process that was held up or stopped, its threads perhaps too. */
const STALL_MS = 1000;

/** The job that the thread is at. */
interface Running {
  id: number;
  job: Job;
  timer?: NodeJS.Timeout;
}

/**
 * Starts on the first request, and again after it had to be ended. It is given one request at a time: one that takes
 * too long, or all memory, is nobody else's fault, and those behind it go to the next thread.
 */
export class WorkerThread {
  readonly #options: WorkerThreadOptions;
  #worker: Worker | undefined;
  #waiting: Job[] = [];
  #running: Running | undefined;
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
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#giveUp(job, signal?.reason);
      const settle = () => signal?.removeEventListener("abort", onAbort);
      const job: Job = { message, timeoutMs, resolve, reject, settle };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(job);
      this.#next();
    });
  }

  /** Ends the thread. Requests in flight reject with `MODEL_DISPOSED`. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    const reason = new PunieError("MODEL_DISPOSED", `${this.#options.subject}: closed while in use.`);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const job of waiting) fail(job, reason);
    await this.#end(reason);
  }

  /** Gives the thread the next request when it has none. */
  #next(): void {
    if (this.#running) return;
    const job = this.#waiting.shift();
    if (!job) {
      this.#worker?.unref();
      return;
    }
    const worker = this.#start();
    const id = this.#nextId++;
    this.#running = { id, job };
    this.#limit(this.#running);
    worker.ref();
    try {
      worker.postMessage({ id, ...job.message });
    } catch (error) {
      // Something that can't be sent to a thread.
      this.#takeRunning()?.reject(error);
      this.#next();
    }
  }

  /** Gives the job up after its time. One that was answered while nobody could read the answer took no longer. */
  #limit(running: Running): void {
    const { timeoutMs } = running.job;
    const due = performance.now() + timeoutMs;
    running.timer = setTimeout(() => {
      if (performance.now() - due > STALL_MS) return this.#limit(running);
      // After the messages that wait to be read.
      setImmediate(() => {
        if (this.#running !== running) return;
        const seconds = Math.round(timeoutMs / 100) / 10;
        const message = `${this.#options.subject}: not done after ${seconds} s; given up.`;
        void this.#end(new PunieError("MODEL_CORRUPT", message));
      });
    }, timeoutMs);
  }

  #giveUp(job: Job, reason: unknown): void {
    if (this.#running?.job === job) return void this.#end(reason);
    this.#waiting = this.#waiting.filter((other) => other !== job);
    fail(job, reason);
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
      const job = this.#running?.id === reply.id ? this.#takeRunning() : undefined;
      if (!job) return;
      if (reply.ok) job.resolve(reply.value);
      else job.reject(new PunieError(reply.code, reply.message));
      this.#next();
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

  #takeRunning(): Job | undefined {
    const running = this.#running;
    this.#running = undefined;
    if (!running) return undefined;
    clearTimeout(running.timer);
    running.job.settle();
    return running.job;
  }

  /** Ends the thread and rejects what it is at; the next request starts a new one. */
  async #end(reason: unknown): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#takeRunning()?.reject(reason);
    this.#next();
    await worker?.terminate();
  }
}

function fail(job: Job, reason: unknown): void {
  job.settle();
  job.reject(reason);
}
