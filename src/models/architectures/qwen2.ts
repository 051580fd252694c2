import { z } from "zod";
import { commonFields, flag, MAX_HEADS, size } from "../config-fields.js";
import { readLayerTypes } from "../layer-types.js";
import { parseWith } from "../schema-error.js";
import { type ReadConfig, readDecoder } from "./architecture.js";

const fields = z.object({
  ...commonFields,
  num_key_value_heads: size(MAX_HEADS),
  use_sliding_window: flag(),
  max_window_layers: z.number({ error: "expected a number" }).int().nullish(),
});

/** Qwen2 and Qwen2.5. A head_dim of its own is ignored, as in mlx-lm. */
export const readQwen2: ReadConfig = (json, file) => {
  const read = parseWith(fields, json, file);
  const defaults = {
    modelType: "qwen2",
    ropeTheta: 1_000_000,
    maxPositionEmbeddings: 32_768,
    tieWordEmbeddings: true,
  };
  return {
    ...readDecoder(read, defaults, file),
    ...readLayerTypes(read, ["full_attention", "sliding_attention"], slidingFrom(read), file),
    attentionBias: true,
  };
};

/** transformers: with `use_sliding_window`, the layers from `max_window_layers` on have a window. */
export function slidingFrom(read: {
  use_sliding_window?: boolean | null | undefined;
  max_window_layers?: number | null | undefined;
}): (layer: number) => "full_attention" | "sliding_attention" {
  const first = read.use_sliding_window ? (read.max_window_layers ?? MAX_WINDOW_LAYERS) : Number.POSITIVE_INFINITY;
  return (layer) => (layer >= first ? "sliding_attention" : "full_attention");
}

const MAX_WINDOW_LAYERS = 28;
