/** Any tokenizer.json, by the library, in a thread of its own: it takes a second to build from a real vocabulary. */

import { WorkerThread } from "../worker/worker-thread.js";
import type { EncodeOptions, Encoder, LoadedTokenizer, OpenedTokenizer } from "./encoder.js";
import type { TokenizerRequest } from "./tokenizer-worker.js";

/** Qwen2.5's vocabulary takes 0.13 GiB; the largest file allowed, a little under 1. */
const HEAP_MIB = 1024;
/** A real vocabulary takes a second; the rest is for slow and busy machines. */
const LOAD_TIMEOUT_MS = 60_000;
/** Encoding takes about a second per MiB of text. A split pattern that backtracks for ever is given up after this. */
const ENCODE_TIMEOUT_MS = 30_000;
const ENCODE_TIMEOUT_MS_PER_CHARACTER = 0.02;

/** Throws `MODEL_CORRUPT` or `MODEL_UNSUPPORTED` for files that it can't use; the signal's reason. */
export async function openWithLibrary(directory: string, signal: AbortSignal | undefined): Promise<OpenedTokenizer> {
  const thread = new WorkerThread({
    entry: "tokenizer/tokenizer-worker.js",
    workerData: { directory },
    heapMiB: HEAP_MIB,
    subject: `tokenizer.json in ${directory}`,
  });
  try {
    const request: TokenizerRequest = { op: "load" };
    const loaded = (await thread.request(request, { timeoutMs: LOAD_TIMEOUT_MS, signal })) as LoadedTokenizer;
    return { loaded, encoder: new LibraryEncoder(thread) };
  } catch (error) {
    await thread.close();
    throw error;
  }
}

class LibraryEncoder implements Encoder {
  readonly #thread: WorkerThread;

  constructor(thread: WorkerThread) {
    this.#thread = thread;
  }

  async encode(text: string, options: Required<EncodeOptions>): Promise<number[]> {
    const request: TokenizerRequest = { op: "encode", text, ...options };
    const timeoutMs = ENCODE_TIMEOUT_MS + text.length * ENCODE_TIMEOUT_MS_PER_CHARACTER;
    return (await this.#thread.request(request, { timeoutMs })) as number[];
  }

  close(): Promise<void> {
    return this.#thread.close();
  }
}
