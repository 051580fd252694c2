import { z } from "zod";
import { commonFields, flag, MAX_HEADS, size } from "../config-fields.js";
import { readLayerTypes } from "../layer-types.js";
import { parseWith } from "../schema-error.js";
import { type ReadConfig, readDecoder } from "./architecture.js";
import { slidingFrom } from "./qwen2.js";

const fields = z.object({
  ...commonFields,
  num_key_value_heads: size(MAX_HEADS),
  use_sliding_window: flag(),
  max_window_layers: z.number({ error: "expected a number" }).int().nullish(),
});

/** Qwen3, its embedding models and rerankers. */
export const readQwen3: ReadConfig = (json, file) => {
  const read = parseWith(fields, json, file);
  const defaults = {
    modelType: "qwen3",
    ropeTheta: 1_000_000,
    maxPositionEmbeddings: 40_960,
    tieWordEmbeddings: false,
    headDim: read.head_dim,
  };
  return {
    ...readDecoder(read, defaults, file),
    ...readLayerTypes(read, ["full_attention", "sliding_attention"], slidingFrom(read), file),
  };
};
