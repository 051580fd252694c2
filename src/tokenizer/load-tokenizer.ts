/** Opens a model directory's tokenizer. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Tokenizer } from "./tokenizer.js";

export interface LoadTokenizerOptions {
  /** Stops the loading; the promise rejects with its reason. */
  signal?: AbortSignal | undefined;
}

/** True when the directory has a tokenizer.json. A model without one takes and gives token ids only. */
export async function hasTokenizer(directory: string): Promise<boolean> {
  return stat(join(directory, "tokenizer.json")).then(
    () => true,
    () => false,
  );
}

/**
 * Loads tokenizer.json (and tokenizer_config.json's added tokens) in a thread of its own, which keeps the event loop
 * free. Throws `MODEL_CORRUPT` when the file is missing or broken, `MODEL_UNSUPPORTED` for a kind of tokenizer that
 * isn't served.
 */
export function loadTokenizer(directory: string, options: LoadTokenizerOptions = {}): Promise<Tokenizer> {
  return Tokenizer.load(directory, options.signal);
}
