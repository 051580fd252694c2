/** A GGUF file → an MLX model directory with the file's own quantizations. */
import { loadBinding } from "../../native/binding.js";
import { type ConvertResult, convertModel } from "../convert-model.js";
import type { ConvertProgress } from "../write-weights.js";

export interface ImportOptions {
  /** Stops within one chunk; what was written is removed, and the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: ConvertProgress) => void) | undefined;
}

/**
 * Imports a llama, qwen2, qwen3 or qwen3moe model with a byte-level BPE tokenizer. The directory appears whole or not
 * at all; it must not exist before. Memory stays within some chunks and the vocabulary, whatever the file's size.
 *
 * @throws PunieError `MODEL_NOT_FOUND`, `MODEL_CORRUPT`, `MODEL_UNSUPPORTED`, `WEIGHTS_MISMATCH`, `INVALID_OPTION`,
 * `DISK_FULL`, `NATIVE_UNAVAILABLE`
 */
export async function importGguf(
  file: string,
  outputDirectory: string,
  options: ImportOptions = {},
): Promise<ConvertResult> {
  return await convertModel(loadBinding(), file, outputDirectory, options);
}
