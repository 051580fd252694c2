/** A model's tokenizer: text to ids by its encoder, ids to text on the caller's thread. */
import { PunieError } from "../errors.js";
import type { EncodeOptions, Encoder, LoadedTokenizer, OpenedTokenizer } from "./encoder.js";
import { createStreamDecoder, type DecodeOptions, type StreamDecoder } from "./stream-decoder.js";
import { isSpecialToken, tableSize, tokenBytes } from "./token-table.js";

/** More than any context holds, and well below what would fill the memory of either encoder. */
const MAX_TEXT_LENGTH = 2 ** 25;

export class Tokenizer {
  readonly #encoder: Encoder;
  readonly #loaded: LoadedTokenizer;

  /** See `loadTokenizer`. */
  constructor({ encoder, loaded }: OpenedTokenizer) {
    this.#encoder = encoder;
    this.#loaded = loaded;
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
    return this.#encoder.encode(text, { addSpecialTokens, parseSpecial });
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

  /**
   * The bytes that a token stands for, which may be part of a character only. Undefined for an id without a token, and
   * for vocabularies whose tokens are not bytes.
   */
  tokenBytes(id: number): Uint8Array | undefined {
    const { table, plan } = this.#loaded;
    return plan.kind === "byte-level" ? tokenBytes(table, id)?.slice() : undefined;
  }

  /** A decoder for one sequence of ids as they come. */
  createStreamDecoder(options: DecodeOptions = {}): StreamDecoder {
    return createStreamDecoder(this.#loaded.table, this.#loaded.plan, options);
  }

  /** Ends encoding, which then rejects with `MODEL_DISPOSED`. Decoding goes on working. Idempotent. */
  close(): Promise<void> {
    return this.#encoder.close();
  }
}
