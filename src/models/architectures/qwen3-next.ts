import { z } from "zod";
import { commonFields, MAX_HEADS, size } from "../config-fields.js";
import { readLayerTypes } from "../layer-types.js";
import { parseWith } from "../schema-error.js";
import { type ReadConfig, readDecoder } from "./architecture.js";
import { expertFields, readExperts } from "./experts.js";
import {
  fullAttentionEach,
  linearAttentionFields,
  partialRotaryFactor,
  readLinearAttention,
} from "./linear-attention.js";

const fields = z.object({
  ...commonFields,
  ...expertFields,
  ...linearAttentionFields,
  num_key_value_heads: size(MAX_HEADS),
  partial_rotary_factor: partialRotaryFactor.nullish(),
});

/** Qwen3-Next-80B-A3B and Qwen3-Coder-Next. */
export const readQwen3Next: ReadConfig = (json, file) => {
  const read = parseWith(fields, json, file);
  const defaults = {
    modelType: "qwen3_next",
    ropeTheta: 10_000_000,
    maxPositionEmbeddings: 262_144,
    tieWordEmbeddings: false,
    headDim: read.head_dim,
    partialRotaryFactor: read.partial_rotary_factor ?? 0.25,
  };
  return {
    ...readDecoder(read, defaults, file),
    ...readLayerTypes(
      read,
      ["full_attention", "linear_attention"],
      fullAttentionEach(read.full_attention_interval),
      file,
    ),
    attentionBias: read.attention_bias ?? false,
    experts: readExperts(read, file),
    linearAttention: readLinearAttention(read, file),
  };
};
