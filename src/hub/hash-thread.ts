import { Worker } from "node:worker_threads";
import type { FileHash } from "../models/file-hash.js";
import { packageFile } from "../package-root.js";
import type { HashReply, HashRequest } from "./hash-worker.js";

/**
 * Hashes files while they grow, in a thread of its own: at ten gigabits a second the thread of the connections has no
 * time for it. What is hashed is what can be read back from the files. Starts with the first file.
 */
export class HashThread {
  #worker: Worker | undefined;
  #files = 0;
  #failure: Error | undefined;
  readonly #hashers = new Map<number, FileHasher>();

  /** @param path A file that is there already. @param size Its size once it is whole. */
  add(path: string, type: FileHash["type"], size: number): FileHasher {
    this.#files += 1;
    const hasher = new FileHasher(this.#files, { path, type, size }, (request) => this.#post(request));
    this.#hashers.set(this.#files, hasher);
    return hasher;
  }

  /** Ends the thread. Digests that are waited for reject. */
  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#fail(new Error("the thread that hashes was closed"));
    await worker?.terminate();
  }

  #post(request: HashRequest): void {
    if (this.#failure !== undefined) this.#fail(this.#failure);
    else this.#start().postMessage(request);
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(packageFile("dist/hub/hash-worker.js"), { execArgv: [] });
    worker.on("message", (reply: HashReply) => this.#hashers.get(reply.file)?.settle(reply));
    worker.on("error", (error) => this.#fail(error));
    this.#worker = worker;
    return worker;
  }

  #fail(error: Error): void {
    this.#failure = error;
    for (const [file, hasher] of this.#hashers) hasher.settle({ file, error: error.message });
  }
}

/** The hash of one growing file. */
export class FileHasher {
  readonly #id: number;
  readonly #file: { path: string; type: FileHash["type"]; size: number };
  readonly #post: (request: HashRequest) => void;
  /** How far the thread was told to go. */
  #told = 0;
  /** What went wrong before anyone asked for the digest. */
  #error: string | undefined;
  #waiting: ((reply: HashReply) => void) | undefined;

  constructor(
    id: number,
    file: { path: string; type: FileHash["type"]; size: number },
    post: (request: HashRequest) => void,
  ) {
    this.#id = id;
    this.#file = file;
    this.#post = post;
    this.restart();
  }

  /** Forgets what was hashed: the file is written anew. */
  restart(): void {
    this.#told = 0;
    this.#error = undefined;
    this.#post({ file: this.#id, do: "start", ...this.#file });
  }

  /** All bytes before `end` are written. */
  follow(end: number): void {
    if (end <= this.#told) return;
    this.#told = end;
    this.#post({ file: this.#id, do: "follow", end });
  }

  /** The hash of the whole file in hexadecimal digits. Rejects when it can't be read, and with the signal's reason. */
  async digest(signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const reply = await new Promise<HashReply>((resolve, reject) => {
      const onAbort = () => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting = (value) => {
        signal.removeEventListener("abort", onAbort);
        resolve(value);
      };
      if (this.#error === undefined) this.#post({ file: this.#id, do: "digest", end: this.#file.size });
      else this.#waiting({ file: this.#id, error: this.#error });
    });
    if ("digest" in reply) return reply.digest;
    throw new Error(`${this.#file.path}: can't be hashed: ${reply.error}`);
  }

  close(): void {
    this.#post({ file: this.#id, do: "close" });
  }

  /** The thread's answer. */
  settle(reply: HashReply): void {
    if ("error" in reply) this.#error = reply.error;
    this.#waiting?.(reply);
    this.#waiting = undefined;
  }
}
