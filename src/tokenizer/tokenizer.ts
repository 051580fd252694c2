/** A model's tokenizer: text to ids in its thread, ids to text on the caller's. */
import { PunieError } from "../errors.js";
import { createStreamDecoder, type DecodeOptions, type StreamDecoder } from "./stream-decoder.js";
import { isSpecialToken, tableSize } from "./token-table.js";
import type { LoadedTokenizer, TokenizerRequest } from "./tokenizer-worker.js";
import { WorkerThread } from "./worker-thread.js";

/** Qwen2.5's vocabulary takes 0.13 GiB; the largest file allowed, a little under 1. */
const HEAP_MIB = 1024;
/** A real vocabulary takes a second; the rest is for slow and busy machines. */
const LOAD_TIMEOUT_MS = 60_000;
/** Encoding takes about a second per MiB of text. A split pattern that backtracks for ever is given up after this. */
const ENCODE_TIMEOUT_MS = 30_000;
const ENCODE_TIMEOUT_MS_PER_CHARACTER = 0.02;
/** More than any context holds, and well below what would fill the thread's heap. */
const MAX_TEXT_LENGTH = 2 ** 25;

export interface EncodeOptions {
  /** Add what the post-processor adds (a beginning-of-text token, say). Templates write theirs: default false. */
  addSpecialTokens?: boolean;
  /** Text such as `<|im_end|>` becomes its token. False takes it for plain text. Default true. */
  parseSpecial?: boolean;
}

export class Tokenizer {
  readonly #thread: WorkerThread;
  readonly #loaded: LoadedTokenizer;

  private constructor(thread: WorkerThread, loaded: LoadedTokenizer) {
    this.#thread = thread;
    this.#loaded = loaded;
  }

  /** See `loadTokenizer`. */
  static async load(directory: string, signal?: AbortSignal): Promise<Tokenizer> {
    const thread = new WorkerThread({
      entry: "tokenizer/tokenizer-worker.js",
      workerData: { directory },
      heapMiB: HEAP_MIB,
      subject: `tokenizer.json in ${directory}`,
    });
    try {
      const request: TokenizerRequest = { op: "load" };
      const loaded = await thread.request(request, { timeoutMs: LOAD_TIMEOUT_MS, signal });
      return new Tokenizer(thread, loaded as LoadedTokenizer);
    } catch (error) {
      await thread.close();
      throw error;
    }
  }

  /** Number of ids that have a place in the vocabulary, added tokens included: the largest id and one. */
  get vocabSize(): number {
    return tableSize(this.#loaded.table);
  }

  /** Ids of the tokens that the vocabulary marks special, in the file's order. */
  get specialTokenIds(): readonly number[] {
    return this.#loaded.specialTokenIds;
  }

  /** True for a token that the vocabulary marks special. */
  isSpecial(id: number): boolean {
    return isSpecialToken(this.#loaded.table, id);
  }

  /** The text's ids, equal to those of Python's `tokenizers`. Throws `INVALID_OPTION` for more than 32 Mi characters. */
  async encode(text: string, options: EncodeOptions = {}): Promise<number[]> {
    if (text.length > MAX_TEXT_LENGTH) {
      const found = `${text.length} characters`;
      throw new PunieError("INVALID_OPTION", `Text to tokenize: expected at most ${MAX_TEXT_LENGTH}, found ${found}.`);
    }
    const { addSpecialTokens = false, parseSpecial = true } = options;
    const request: TokenizerRequest = { op: "encode", text, addSpecialTokens, parseSpecial };
    const timeoutMs = ENCODE_TIMEOUT_MS + text.length * ENCODE_TIMEOUT_MS_PER_CHARACTER;
    return (await this.#thread.request(request, { timeoutMs })) as number[];
  }

  /** The ids' text. Ids outside the vocabulary give nothing; bytes that are no UTF-8 give U+FFFD. */
  decode(ids: Iterable<number>, options: DecodeOptions = {}): string {
    const decoder = this.createStreamDecoder(options);
    return decoder.push(ids) + decoder.end();
  }

  /** One token's text, as it would stand alone. */
  tokenText(id: number): string {
    return this.decode([id]);
  }

  /** A decoder for one sequence of ids as they come. */
  createStreamDecoder(options: DecodeOptions = {}): StreamDecoder {
    return createStreamDecoder(this.#loaded.table, this.#loaded.plan, options);
  }

  /** Ends the thread. Decoding goes on working; encoding rejects with `MODEL_DISPOSED`. Idempotent. */
  close(): Promise<void> {
    return this.#thread.close();
  }
}
