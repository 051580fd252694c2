import { z } from "zod";
import { PunieError } from "../../errors.js";
import type { LayerType, LinearAttentionConfig } from "../../native/binding-types.js";
import { flag, size } from "../config-fields.js";

const MAX_LINEAR_HEADS = 4096;
const MAX_LINEAR_HEAD_DIM = 4096;
const MAX_TAPS = 64;
const MAX_LAYERS = 1024;

/** The keys of config.json about gated delta nets. */
export const linearAttentionFields = {
  linear_num_key_heads: size(MAX_LINEAR_HEADS),
  linear_num_value_heads: size(MAX_LINEAR_HEADS),
  linear_key_head_dim: size(MAX_LINEAR_HEAD_DIM),
  linear_value_head_dim: size(MAX_LINEAR_HEAD_DIM),
  linear_conv_kernel_dim: size(MAX_TAPS),
  full_attention_interval: size(MAX_LAYERS).nullish(),
  attention_bias: flag(),
};

type LinearAttentionFields = Omit<
  z.output<z.ZodObject<typeof linearAttentionFields>>,
  "full_attention_interval" | "attention_bias"
>;

/** @throws PunieError `MODEL_CORRUPT` for heads that can't be shared out. */
export function readLinearAttention(fields: LinearAttentionFields, file: string): LinearAttentionConfig {
  if (fields.linear_num_value_heads % fields.linear_num_key_heads !== 0) {
    throw new PunieError(
      "MODEL_CORRUPT",
      `${file}: linear_num_value_heads: expected a multiple of linear_num_key_heads (${fields.linear_num_key_heads}), ` +
        `found ${fields.linear_num_value_heads}.`,
    );
  }
  return {
    keyHeads: fields.linear_num_key_heads,
    valueHeads: fields.linear_num_value_heads,
    keyHeadDim: fields.linear_key_head_dim,
    valueHeadDim: fields.linear_value_head_dim,
    convKernelSize: fields.linear_conv_kernel_dim,
  };
}

/** Every layer is linear but each `interval`-th, 4 by default. */
export function fullAttentionEach(interval: number | null | undefined): (layer: number) => LayerType {
  const each = interval ?? 4;
  return (layer) => ((layer + 1) % each === 0 ? "full_attention" : "linear_attention");
}

/** Share of a head's dimensions that rotate. */
export const partialRotaryFactor = z
  .number({ error: "expected a number" })
  .gt(0, "expected a number above 0 and at most 1")
  .max(1, "expected a number above 0 and at most 1");
