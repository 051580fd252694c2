import { z } from "zod";
import { PunieError } from "../errors.js";
import type { NativeModelConfig } from "../native/binding-types.js";
import { type QuantizationTable, readQuantization } from "./quantization-config.js";
import { readRope, ropeFields } from "./rope-config.js";
import { describe, parseWith } from "./schema-error.js";
import { unsupported } from "./unsupported.js";

/** Largest config.json that is read: real ones, per-layer tables included, stay under 300 KB. */
export const MAX_CONFIG_BYTES = 1024 * 1024;

/** Architectures that the engine has, by config.json's `model_type`. */
export const SUPPORTED_MODEL_TYPES = ["qwen2", "llama"] as const;
type SupportedModelType = (typeof SUPPORTED_MODEL_TYPES)[number];

// Several times the largest model there is: what is beyond is a broken or hostile file, refused before it is allocated.
const MAX_HIDDEN_SIZE = 65_536;
const MAX_INTERMEDIATE_SIZE = 1_048_576;
const MAX_LAYERS = 1024;
const MAX_HEADS = 4096;
const MAX_HEAD_DIM = 1024;
const MAX_VOCAB_SIZE = 4_194_304;
const MAX_POSITIONS = 134_217_728;

export interface ParsedConfig {
  config: NativeModelConfig;
  /** Absent when the weights are not quantized. */
  quantization?: QuantizationTable;
}

/**
 * Reads a parsed config.json into what the engine needs, with the defaults of mlx-lm's `qwen2` and `llama`.
 *
 * @param file The file's path, for messages.
 * @throws PunieError `MODEL_UNSUPPORTED` naming the feature, `MODEL_CORRUPT` naming file and JSON path.
 */
export function parseConfig(json: unknown, file: string): ParsedConfig {
  const modelType = readModelType(json, file);
  const fields = parseWith(modelType === "qwen2" ? qwen2Fields : llamaFields, json, file);
  refuseUnsupported(modelType, fields, file);

  const attentionHeads = fields.num_attention_heads;
  const keyValueHeads = fields.num_key_value_heads ?? attentionHeads;
  // qwen2 in mlx-lm has no head_dim of its own: a key of that name is ignored.
  const ownHeadDim = modelType === "llama" ? fields.head_dim : undefined;
  const headDim = ownHeadDim ?? Math.floor(fields.hidden_size / attentionHeads);
  checkHeads(attentionHeads, keyValueHeads, headDim, file);

  const config: NativeModelConfig = {
    modelType,
    hiddenSize: fields.hidden_size,
    hiddenLayers: fields.num_hidden_layers,
    intermediateSize: fields.intermediate_size,
    attentionHeads,
    keyValueHeads,
    headDim,
    vocabSize: fields.vocab_size,
    rmsNormEps: fields.rms_norm_eps,
    ...readRope(fields, DEFAULTS[modelType].ropeTheta, file),
    maxPositionEmbeddings: fields.max_position_embeddings ?? DEFAULTS[modelType].maxPositionEmbeddings,
    tieWordEmbeddings: fields.tie_word_embeddings ?? true,
    attentionBias: modelType === "qwen2" ? true : (fields.attention_bias ?? false),
    mlpBias: modelType === "qwen2" ? false : (fields.mlp_bias ?? false),
  };
  const quantization = readQuantization(json as Record<string, unknown>, file);
  return quantization === undefined ? { config } : { config, quantization };
}

/** mlx-lm's defaults; llama's context length, which mlx-lm leaves open, is that of transformers. */
const DEFAULTS: Record<SupportedModelType, { ropeTheta: number; maxPositionEmbeddings: number }> = {
  qwen2: { ropeTheta: 1_000_000, maxPositionEmbeddings: 32_768 },
  llama: { ropeTheta: 10_000, maxPositionEmbeddings: 2048 },
};

function size(max: number) {
  const message = `expected a whole number from 1 to ${max}`;
  return z.number({ error: message }).int(message).min(1, message).max(max, message);
}

function flag() {
  return z.boolean({ error: "expected true or false" }).nullish();
}

const rmsNormEps = "expected a number above 0 and below 1";

const commonFields = {
  hidden_size: size(MAX_HIDDEN_SIZE),
  num_hidden_layers: size(MAX_LAYERS),
  intermediate_size: size(MAX_INTERMEDIATE_SIZE),
  num_attention_heads: size(MAX_HEADS),
  vocab_size: size(MAX_VOCAB_SIZE),
  rms_norm_eps: z.number({ error: rmsNormEps }).gt(0, rmsNormEps).lt(1, rmsNormEps),
  max_position_embeddings: size(MAX_POSITIONS).nullish(),
  tie_word_embeddings: flag(),
  hidden_act: z.string({ error: "expected a name" }).nullish(),
  layer_types: z.array(z.string(), { error: "expected a list of names" }).nullish(),
  use_sliding_window: flag(),
  attention_bias: flag(),
  mlp_bias: flag(),
  head_dim: size(MAX_HEAD_DIM).nullish(),
  num_key_value_heads: size(MAX_HEADS).nullish(),
  ...ropeFields,
};

const llamaFields = z.object(commonFields);
const qwen2Fields = z.object({ ...commonFields, num_key_value_heads: size(MAX_HEADS) });

function readModelType(json: unknown, file: string): SupportedModelType {
  const { model_type: modelType } = parseWith(
    z.object({ model_type: z.string({ error: "expected a name" }) }, { error: "expected an object" }),
    json,
    file,
  );
  const supported = SUPPORTED_MODEL_TYPES.find((type) => type === modelType);
  if (supported !== undefined) return supported;
  throw unsupported(file, `model_type ${describe(modelType)}`, SUPPORTED_MODEL_TYPES.join(" and "));
}

function refuseUnsupported(modelType: SupportedModelType, fields: z.output<typeof llamaFields>, file: string): void {
  const act = fields.hidden_act;
  if (act && act !== "silu" && act !== "swish") throw unsupported(file, `hidden_act ${describe(act)}`, "silu");
  if (modelType === "qwen2" && fields.use_sliding_window) {
    throw unsupported(file, "use_sliding_window true", "full attention");
  }
  if (!fields.layer_types) return;
  const other = fields.layer_types.find((type) => type !== "full_attention");
  if (other !== undefined) throw unsupported(file, `layer_types with ${describe(other)}`, "full_attention");
  if (fields.layer_types.length !== fields.num_hidden_layers) {
    throw new PunieError(
      "MODEL_CORRUPT",
      `${file}: layer_types: expected ${fields.num_hidden_layers} entries (num_hidden_layers), found ${fields.layer_types.length}.`,
    );
  }
}

function checkHeads(attentionHeads: number, keyValueHeads: number, headDim: number, file: string): void {
  if (attentionHeads % keyValueHeads !== 0) {
    throw new PunieError(
      "MODEL_CORRUPT",
      `${file}: num_attention_heads: expected a multiple of num_key_value_heads (${keyValueHeads}), found ${attentionHeads}.`,
    );
  }
  if (headDim < 2 || headDim % 2 !== 0 || headDim > MAX_HEAD_DIM) {
    throw new PunieError(
      "MODEL_CORRUPT",
      `${file}: head_dim (or hidden_size / num_attention_heads): expected an even number from 2 to ${MAX_HEAD_DIM}, found ${headDim}.`,
    );
  }
}
