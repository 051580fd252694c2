/** A GGUF file as the source of a conversion. */
import { basename, join } from "node:path";
import type { ConversionSource } from "../conversion-source.js";
import { rowsOf } from "../model-tensor.js";
import { writeJson } from "../new-directory.js";
import { inModelOrder } from "../tensor-order.js";
import { readModelConfig, toConfigJson, toGenerationConfigJson } from "./gguf-config.js";
import { GgufReader } from "./gguf-reader.js";
import { ggufTensors } from "./gguf-tensors.js";
import { readTokenizer } from "./gguf-tokenizer.js";

/** @throws PunieError `MODEL_NOT_FOUND`, `MODEL_CORRUPT`, `MODEL_UNSUPPORTED`, `WEIGHTS_MISMATCH` */
export async function openGgufSource(file: string): Promise<ConversionSource> {
  const reader = await GgufReader.open(file);
  try {
    const { header, path } = reader;
    const config = readModelConfig(header, path);
    const tensors = inModelOrder(ggufTensors(reader, config), config.modelType, path);
    const tokenizer = readTokenizer(header.metadata, config.vocabSize, config.maxPositions, path);
    return {
      modelType: config.modelType,
      layers: config.layers,
      tensors,
      config: toConfigJson(config),
      table: undefined,
      provenance: { base: basename(file), commit: undefined, isRepository: false, licence: [] },
      mayCast: () => true,
      // Scales are float16 in the file, too; norms stay as precise as they are.
      usualCast: (tensor, quantized) => (quantized && rowsOf(tensor.shape) > 1 ? "F16" : undefined),
      writeCompanions: async (directory) => {
        await writeJson(join(directory, "generation_config.json"), toGenerationConfigJson(config));
        await writeJson(join(directory, "tokenizer.json"), tokenizer.tokenizer);
        await writeJson(join(directory, "tokenizer_config.json"), tokenizer.tokenizerConfig);
      },
      requireUnchanged: () => reader.requireUnchanged(),
      close: () => reader.close(),
    };
  } catch (error) {
    await reader.close();
    throw error;
  }
}
