/** What makes ids of text: the addon for the families that are served, the library in a thread for all others. */
import type { DecoderPlan } from "./decoder-plan.js";
import type { TokenTable } from "./token-table.js";

export interface EncodeOptions {
  /** Add what the post-processor adds (a beginning-of-text token, say). Templates write theirs: default false. */
  addSpecialTokens?: boolean;
  /** Text such as `<|im_end|>` becomes its token. False takes it for plain text. Default true. */
  parseSpecial?: boolean;
}

export interface Encoder {
  /** The text's ids. Rejects with `MODEL_DISPOSED` after `close`. */
  encode(text: string, options: Required<EncodeOptions>): Promise<number[]>;
  /** Frees what it holds; what it still encodes rejects with `MODEL_DISPOSED`. Idempotent. */
  close(): Promise<void>;
}

/** A vocabulary as decoding needs it. */
export interface LoadedTokenizer {
  table: TokenTable;
  plan: DecoderPlan;
  /** In the files' order. */
  specialTokenIds: number[];
}

export interface OpenedTokenizer {
  loaded: LoadedTokenizer;
  encoder: Encoder;
}
