import { z } from "zod";
import { commonFields, flag, MAX_HEADS, size } from "../config-fields.js";
import { readLayerTypes } from "../layer-types.js";
import { parseWith } from "../schema-error.js";
import { type ReadConfig, readDecoder } from "./architecture.js";
import { expertFields, readExperts } from "./experts.js";
import { slidingFrom } from "./qwen2.js";

const fields = z.object({
  ...commonFields,
  ...expertFields,
  num_key_value_heads: size(MAX_HEADS),
  use_sliding_window: flag(),
  max_window_layers: z.number({ error: "expected a number" }).int().nullish(),
});

/** Qwen3-30B-A3B, Qwen3-Coder-30B-A3B and their kind. */
export const readQwen3Moe: ReadConfig = (json, file) => {
  const read = parseWith(fields, json, file);
  const defaults = {
    modelType: "qwen3_moe",
    ropeTheta: 1_000_000,
    maxPositionEmbeddings: 40_960,
    tieWordEmbeddings: false,
    headDim: read.head_dim,
  };
  return {
    ...readDecoder(read, defaults, file),
    ...readLayerTypes(read, ["full_attention", "sliding_attention"], slidingFrom(read), file),
    // No expert is shared, whatever the key says.
    experts: { ...readExperts(read, file), sharedIntermediateSize: 0 },
  };
};
