import type { NativeModelConfig } from "../../native/binding-types.js";
import { type CommonFields, readHeads } from "../config-fields.js";
import { readRope } from "../rope-config.js";

/**
 * What an architecture makes of a parsed config.json, with the defaults of mlx-lm's file of the same name.
 *
 * @param file The file's path, for messages.
 * @throws PunieError `MODEL_UNSUPPORTED` naming the feature, `MODEL_CORRUPT` naming file and JSON path.
 */
export type ReadConfig = (json: unknown, file: string) => NativeModelConfig;

/** What is an architecture's own where config.json says nothing. */
export interface Defaults {
  modelType: string;
  ropeTheta: number;
  maxPositionEmbeddings: number;
  tieWordEmbeddings: boolean;
  /** Undefined: hidden_size / num_attention_heads. */
  headDim?: number | null | undefined;
  /** Share of a head's dimensions that rotate. Default: all. */
  partialRotaryFactor?: number;
}

/** The decoder that all architectures are variations of. */
export function readDecoder(fields: CommonFields, defaults: Defaults, file: string): NativeModelConfig {
  const heads = readHeads(fields, defaults.headDim, file);
  const maxPositionEmbeddings = fields.max_position_embeddings ?? defaults.maxPositionEmbeddings;
  const dimensions = Math.floor(heads.headDim * (defaults.partialRotaryFactor ?? 1));
  return {
    modelType: defaults.modelType,
    hiddenSize: fields.hidden_size,
    hiddenLayers: fields.num_hidden_layers,
    intermediateSize: fields.intermediate_size,
    ...heads,
    vocabSize: fields.vocab_size,
    rmsNormEps: fields.rms_norm_eps,
    ...readRope(fields, { theta: defaults.ropeTheta, dimensions }, file),
    maxPositionEmbeddings,
    tieWordEmbeddings: fields.tie_word_embeddings ?? defaults.tieWordEmbeddings,
    attentionBias: false,
    mlpBias: false,
  };
}
