/** What a conversion reads, whatever its form. */
import { stat } from "node:fs/promises";
import { PunieError } from "../errors.js";
import type { FloatDtype } from "../native/binding-types.js";
import type { ModelTensor } from "./model-tensor.js";
import type { Provenance } from "./provenance.js";

export interface ConversionSource {
  modelType: string;
  layers: number;
  /** Under the names of MLX's models, in their order. */
  tensors: ModelTensor[];
  /** config.json without its quantization. */
  config: Record<string, unknown>;
  /** config.json's table, where weights are packed already. */
  table: Record<string, unknown> | undefined;
  provenance: Provenance;
  /** What a tensor is cast to when no option says so. @param quantized Whether it is quantized then. */
  usualCast(tensor: ModelTensor, quantized: boolean): FloatDtype | undefined;
  /** Whether `dtype` may change a tensor. */
  mayCast(tensor: ModelTensor): boolean;
  /** Writes the tokenizer's files and what else goes beside the weights. */
  writeCompanions(directory: string): Promise<void>;
  /** @throws PunieError `MODEL_CORRUPT` when the source is not what it was when it was opened. */
  requireUnchanged(): Promise<void>;
  close(): Promise<void>;
}

/** A model directory, or a GGUF file. Whoever opens it closes it. */
export async function openConversionSource(path: string): Promise<ConversionSource> {
  const found = await stat(path).catch((cause) => {
    throw new PunieError("MODEL_NOT_FOUND", `${path} can't be opened: ${(cause as Error).message}.`, { cause });
  });
  if (found.isDirectory()) return (await import("./directory-source.js")).openDirectorySource(path);
  return (await import("./gguf/gguf-source.js")).openGgufSource(path);
}
