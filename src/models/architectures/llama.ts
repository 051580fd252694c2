import { z } from "zod";
import { commonFields, flag } from "../config-fields.js";
import { readLayerTypes } from "../layer-types.js";
import { parseWith } from "../schema-error.js";
import { type ReadConfig, readDecoder } from "./architecture.js";

const fields = z.object({ ...commonFields, attention_bias: flag(), mlp_bias: flag() });

/** Llama 2 and 3, SmolLM. The context length, which mlx-lm leaves open, is transformers' default. */
export const readLlama: ReadConfig = (json, file) => read(json, "llama", file);

/** Mistral: llama, with a window over all layers where config.json has one. */
export const readMistral: ReadConfig = (json, file) => read(json, "mistral", file);

function read(json: unknown, modelType: "llama" | "mistral", file: string) {
  const config = parseWith(fields, json, file);
  const everywhere = modelType === "mistral" && config.sliding_window != null;
  const defaults = {
    modelType,
    ropeTheta: 10_000,
    maxPositionEmbeddings: modelType === "mistral" ? 131_072 : 2048,
    // transformers' MistralConfig and mlx-lm's llama differ; published Mistral checkpoints say which.
    tieWordEmbeddings: true,
    headDim: config.head_dim,
  };
  return {
    ...readDecoder(config, defaults, file),
    ...readLayerTypes(
      config,
      ["full_attention", "sliding_attention"],
      () => (everywhere ? "sliding_attention" : "full_attention"),
      file,
    ),
    attentionBias: config.attention_bias ?? false,
    mlpBias: config.mlp_bias ?? false,
  };
}
