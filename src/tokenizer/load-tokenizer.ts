/** Opens a model directory's tokenizer. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { openWithLibrary } from "./library-encoder.js";
import { openNatively } from "./native-encoder.js";
import { Tokenizer } from "./tokenizer.js";

export interface LoadTokenizerOptions {
  /** Stops the loading; the promise rejects with its reason. */
  signal?: AbortSignal | undefined;
  /** Leave even those to the library that the addon serves: for tests, which compare the two. Default false. */
  library?: boolean;
}

/** True when the directory has a tokenizer.json. A model without one takes and gives token ids only. */
export async function hasTokenizer(directory: string): Promise<boolean> {
  return stat(join(directory, "tokenizer.json")).then(
    () => true,
    () => false,
  );
}

/**
 * Loads tokenizer.json (and tokenizer_config.json's added tokens) off the event loop: in the addon when it is a
 * byte-level BPE of one of the families served, else with the library in a thread of its own. Throws `MODEL_CORRUPT`
 * when the file is missing or broken, `MODEL_UNSUPPORTED` for a kind of tokenizer that isn't served.
 */
export async function loadTokenizer(directory: string, options: LoadTokenizerOptions = {}): Promise<Tokenizer> {
  const { signal, library = false } = options;
  const opened = library ? undefined : await openNatively(directory, signal);
  return new Tokenizer(opened ?? (await openWithLibrary(directory, signal)));
}
