import { z } from "zod";
import type { NativeModelConfig } from "../../native/binding-types.js";
import { commonFields, size } from "../config-fields.js";
import { readLayerTypes } from "../layer-types.js";
import { parseWith } from "../schema-error.js";
import { type Defaults, readDecoder } from "./architecture.js";
import { expertFields, readExperts } from "./experts.js";
import {
  fullAttentionEach,
  linearAttentionFields,
  partialRotaryFactor,
  readLinearAttention,
} from "./linear-attention.js";

// A model of experts need not tell the size of a dense block.
const textFields = { ...commonFields, ...linearAttentionFields };
const denseFields = z.object(textFields);
const moeFields = z.object({
  ...textFields,
  ...expertFields,
  intermediate_size: size(1_048_576).default(1),
});

const outerFields = z.object({ text_config: z.record(z.string(), z.unknown()).nullish() });
const ropeParameters = z.object({
  rope_parameters: z.object({ partial_rotary_factor: partialRotaryFactor.nullish() }).nullish(),
});

/** Qwen3.5, the part for text: its keys stand in `text_config` beside a vision part, or by themselves. */
export const readQwen35 = (json: unknown, file: string): NativeModelConfig => {
  const text = textOf(json, file);
  const read = parseWith(denseFields, text, file);
  return {
    ...readDecoder(read, defaultsOf("qwen3_5", read, text, file), file),
    ...layersOf(read, file),
  };
};

/** Qwen3.5 with experts in every layer. */
export const readQwen35Moe = (json: unknown, file: string): NativeModelConfig => {
  const text = textOf(json, file);
  const read = parseWith(moeFields, text, file);
  return {
    ...readDecoder(read, defaultsOf("qwen3_5_moe", read, text, file), file),
    ...layersOf(read, file),
    // Always normalized, in every layer.
    experts: readExperts(
      { ...read, norm_topk_prob: read.norm_topk_prob ?? true, decoder_sparse_step: 1, mlp_only_layers: [] },
      file,
    ),
  };
};

/** `rope_parameters` win over what stands beside them: other than elsewhere, but so in mlx-lm. */
function textOf(json: unknown, file: string): Record<string, unknown> {
  const text = parseWith(outerFields, json, file).text_config ?? (json as Record<string, unknown>);
  return text.rope_parameters ? { ...text, rope_theta: undefined, rope_scaling: undefined } : text;
}

function defaultsOf(
  modelType: string,
  read: { head_dim?: number | null | undefined },
  text: Record<string, unknown>,
  file: string,
): Defaults {
  const { rope_parameters: rope } = parseWith(ropeParameters, text, file);
  return {
    modelType,
    ropeTheta: 100_000,
    maxPositionEmbeddings: 131_072,
    tieWordEmbeddings: false,
    headDim: read.head_dim,
    partialRotaryFactor: rope?.partial_rotary_factor ?? 0.25,
  };
}

function layersOf(
  read: z.output<typeof denseFields>,
  file: string,
): Pick<NativeModelConfig, "layerTypes" | "attentionBias" | "linearAttention"> {
  const types = readLayerTypes(
    read,
    ["full_attention", "linear_attention"],
    fullAttentionEach(read.full_attention_interval),
    file,
  );
  return { ...types, attentionBias: read.attention_bias ?? false, linearAttention: readLinearAttention(read, file) };
}
