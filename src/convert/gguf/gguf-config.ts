/** What GGUF metadata says of a decoder, checked, and the config.json that says the same to MLX. */
import { PunieError } from "../../errors.js";
import type { GgufHeader } from "./gguf-header.js";
import { MetadataLookup } from "./gguf-metadata.js";

interface Architecture {
  modelType: "llama" | "qwen2" | "qwen3" | "qwen3_moe";
  modelClass: string;
}

/** `general.architecture` → `model_type` and its class. */
const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  llama: { modelType: "llama", modelClass: "LlamaForCausalLM" },
  qwen2: { modelType: "qwen2", modelClass: "Qwen2ForCausalLM" },
  qwen3: { modelType: "qwen3", modelClass: "Qwen3ForCausalLM" },
  qwen3moe: { modelType: "qwen3_moe", modelClass: "Qwen3MoeForCausalLM" },
};

/** llama.cpp's, where a file has none. */
const DEFAULT_ROPE_THETA = 10_000;
const MAX_EXPERTS = 1024;

/** Far above any public model; small enough that no product of two overflows. */
const MAX_LAYERS = 1024;
const MAX_HEADS = 1024;
const MAX_WIDTH = 1 << 20;
const MAX_POSITIONS = 2 ** 31;

/** A mixture of experts in every layer. */
export interface ExpertsConfig {
  count: number;
  used: number;
  intermediateSize: number;
}

export interface GgufModelConfig {
  modelType: Architecture["modelType"];
  modelClass: string;
  hiddenSize: number;
  layers: number;
  intermediateSize: number;
  heads: number;
  keyValueHeads: number;
  headDim: number;
  vocabSize: number;
  rmsNormEps: number;
  ropeTheta: number;
  /** config.json's `rope_scaling`, or undefined. */
  ropeScaling: Record<string, unknown> | undefined;
  /** Undefined for a dense model. */
  experts: ExpertsConfig | undefined;
  maxPositions: number;
  tied: boolean;
  /** Ids that end the text; may be empty. */
  eosTokenIds: number[];
  bosTokenId: number | undefined;
}

/** @throws MODEL_UNSUPPORTED for another architecture or variant of it, MODEL_CORRUPT for values that can't be */
export function readModelConfig(header: GgufHeader, path: string): GgufModelConfig {
  const lookup = new MetadataLookup(header.metadata, path);
  const name = lookup.string("general.architecture");
  const architecture = Object.hasOwn(ARCHITECTURES, name) ? ARCHITECTURES[name] : undefined;
  if (!architecture) {
    const known = Object.keys(ARCHITECTURES).join(", ");
    throw unsupported(path, `the architecture is '${name}'; these can be imported: ${known}`);
  }
  const key = (member: string) => `${name}.${member}`;
  const experts = architecture.modelType === "qwen3_moe" ? readExperts(lookup, key) : undefined;
  refuseVariants(lookup, key, experts !== undefined, path);
  const heads = lookup.integer(key("attention.head_count"), 1, MAX_HEADS);
  const hiddenSize = lookup.integer(key("embedding_length"), 1, MAX_WIDTH);
  return {
    ...architecture,
    hiddenSize,
    layers: lookup.integer(key("block_count"), 1, MAX_LAYERS),
    // Of experts alone the files need not say how wide a dense layer would be.
    intermediateSize:
      experts && !lookup.has(key("feed_forward_length"))
        ? experts.intermediateSize
        : lookup.integer(key("feed_forward_length"), 1, MAX_WIDTH),
    heads,
    keyValueHeads: readKeyValueHeads(lookup, key("attention.head_count_kv"), heads, path),
    headDim: readHeadDim(lookup, key, hiddenSize / heads, path),
    vocabSize: header.tensors.get("token_embd.weight")?.shape[0] ?? 0,
    rmsNormEps: shortestFloat32(lookup.positive(key("attention.layer_norm_rms_epsilon"))),
    ropeTheta: lookup.has(key("rope.freq_base"))
      ? shortestFloat32(lookup.positive(key("rope.freq_base")))
      : DEFAULT_ROPE_THETA,
    ropeScaling: readRopeScaling(lookup, key, path),
    experts,
    maxPositions: lookup.integer(key("context_length"), 1, MAX_POSITIONS),
    tied: !header.tensors.has("output.weight"),
    eosTokenIds: readEosIds(lookup),
    bosTokenId: readTokenId(lookup, "tokenizer.ggml.bos_token_id"),
  };
}

/** config.json but for its quantization. */
export function toConfigJson(config: GgufModelConfig): Record<string, unknown> {
  const { experts } = config;
  return {
    architectures: [config.modelClass],
    model_type: config.modelType,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    intermediate_size: config.intermediateSize,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyValueHeads,
    head_dim: config.headDim,
    vocab_size: config.vocabSize,
    hidden_act: "silu",
    rms_norm_eps: config.rmsNormEps,
    rope_theta: config.ropeTheta,
    ...(config.ropeScaling && { rope_scaling: config.ropeScaling }),
    max_position_embeddings: config.maxPositions,
    tie_word_embeddings: config.tied,
    ...(experts && {
      num_experts: experts.count,
      num_experts_per_tok: experts.used,
      moe_intermediate_size: experts.intermediateSize,
      decoder_sparse_step: 1,
      mlp_only_layers: [],
      norm_topk_prob: true,
    }),
    ...(config.bosTokenId !== undefined && { bos_token_id: config.bosTokenId }),
    ...(config.eosTokenIds.length > 0 && { eos_token_id: oneOrList(config.eosTokenIds) }),
  };
}

/** generation_config.json: greedy unless asked otherwise, as the file says nothing of sampling. */
export function toGenerationConfigJson(config: GgufModelConfig): Record<string, unknown> {
  return {
    ...(config.bosTokenId !== undefined && { bos_token_id: config.bosTokenId }),
    ...(config.eosTokenIds.length > 0 && { eos_token_id: oneOrList(config.eosTokenIds) }),
    do_sample: false,
  };
}

type Key = (member: string) => string;

/** llama.cpp gives every layer of this architecture experts, and makes the weights of the chosen ones add up to one. */
function readExperts(lookup: MetadataLookup, key: Key): ExpertsConfig {
  const count = lookup.integer(key("expert_count"), 1, MAX_EXPERTS);
  return {
    count,
    used: lookup.integer(key("expert_used_count"), 1, count),
    intermediateSize: lookup.integer(key("expert_feed_forward_length"), 1, MAX_WIDTH),
  };
}

function refuseVariants(lookup: MetadataLookup, key: Key, hasExperts: boolean, path: string): void {
  for (const name of [...(hasExperts ? ["expert_shared_count"] : ["expert_count"]), "attention.sliding_window"]) {
    if (lookup.has(key(name)) && lookup.integer(key(name), 0, MAX_POSITIONS) > 0) {
      throw unsupported(path, `its metadata has '${key(name)}', which models of this architecture don't have here`);
    }
  }
}

function readKeyValueHeads(lookup: MetadataLookup, key: string, heads: number, path: string): number {
  const keyValueHeads = lookup.has(key) ? lookup.integer(key, 1, heads) : heads;
  if (heads % keyValueHeads !== 0) {
    throw corrupt(path, `${heads} attention heads can't share ${keyValueHeads} key-value heads evenly`);
  }
  return keyValueHeads;
}

function readHeadDim(lookup: MetadataLookup, key: Key, usual: number, path: string): number {
  const given = lookup.has(key("attention.key_length"));
  const headDim = given ? lookup.integer(key("attention.key_length"), 1, MAX_WIDTH) : usual;
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    throw corrupt(path, `the width of an attention head must be an even whole number, found ${headDim}`);
  }
  for (const name of ["attention.value_length", "rope.dimension_count"]) {
    if (lookup.has(key(name)) && lookup.integer(key(name), 1, MAX_WIDTH) !== headDim) {
      throw unsupported(path, `'${key(name)}' differs from the width of an attention head, ${headDim}`);
    }
  }
  return headDim;
}

function readRopeScaling(lookup: MetadataLookup, key: Key, path: string): Record<string, unknown> | undefined {
  const typeKey = key("rope.scaling.type");
  const type = lookup.has(typeKey) ? lookup.string(typeKey) : "none";
  if (type === "none") return undefined;
  if (type !== "linear" && type !== "yarn") {
    throw unsupported(path, `RoPE scaling of type '${type}'; 'none', 'linear' and 'yarn' can be imported`);
  }
  const factor = shortestFloat32(lookup.positive(key("rope.scaling.factor")));
  if (type === "linear") return { type, factor };
  const original = lookup.integer(key("rope.scaling.original_context_length"), 1, MAX_POSITIONS);
  return { type, factor, original_max_position_embeddings: original };
}

function readEosIds(lookup: MetadataLookup): number[] {
  const ids = ["eos_token_id", "eot_token_id"].map((name) => readTokenId(lookup, `tokenizer.ggml.${name}`));
  return [...new Set(ids.filter((id) => id !== undefined))];
}

/** The id of a special token, where the file names one. */
export function readTokenId(lookup: MetadataLookup, key: string): number | undefined {
  return lookup.has(key) ? lookup.integer(key, 0, MAX_WIDTH) : undefined;
}

/** The shortest decimal that is the same float32: 0.00001 instead of 0.000009999999747378752. */
function shortestFloat32(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}

function oneOrList(ids: number[]): number | number[] | undefined {
  return ids.length > 1 ? ids : ids[0];
}

function unsupported(path: string, cause: string): PunieError {
  return new PunieError("MODEL_UNSUPPORTED", `${path} can't be imported: ${cause}.`);
}

function corrupt(path: string, cause: string): PunieError {
  return new PunieError("MODEL_CORRUPT", `${path} is not a usable model: ${cause}.`);
}
