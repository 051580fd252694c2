/** What GGUF metadata says of a decoder, checked, and the config.json that says the same to MLX. */
import { PunieError } from "../../errors.js";
import type { GgufHeader } from "./gguf-header.js";
import { MetadataLookup } from "./gguf-metadata.js";
import { GROUP_SIZE } from "./gguf-to-mlx-tensors.js";

/** `general.architecture` → `model_type` and its class. The names happen to be equal. */
const ARCHITECTURES: Readonly<Record<string, { modelClass: string; defaultRopeTheta: number }>> = {
  llama: { modelClass: "LlamaForCausalLM", defaultRopeTheta: 10_000 },
  qwen2: { modelClass: "Qwen2ForCausalLM", defaultRopeTheta: 10_000 },
};

/** Far above any public model; small enough that no product of two overflows. */
const MAX_LAYERS = 1024;
const MAX_HEADS = 1024;
const MAX_WIDTH = 1 << 20;
const MAX_POSITIONS = 2 ** 31;

export interface GgufModelConfig {
  modelType: string;
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
  /** Positions are divided by this; 1 is none. */
  ropeLinearFactor: number;
  maxPositions: number;
  tied: boolean;
  /** Ids that end the text; may be empty. */
  eosTokenIds: number[];
  bosTokenId: number | undefined;
}

/** @throws MODEL_UNSUPPORTED for another architecture or variant of it, MODEL_CORRUPT for values that can't be */
export function readModelConfig(header: GgufHeader, path: string): GgufModelConfig {
  const lookup = new MetadataLookup(header.metadata, path);
  const modelType = lookup.string("general.architecture");
  const architecture = Object.hasOwn(ARCHITECTURES, modelType) ? ARCHITECTURES[modelType] : undefined;
  if (!architecture) {
    const known = Object.keys(ARCHITECTURES).join(", ");
    throw unsupported(path, `the architecture is '${modelType}'; these can be imported: ${known}`);
  }
  refuseVariants(lookup, modelType, path);
  const key = (name: string) => `${modelType}.${name}`;
  const heads = lookup.integer(key("attention.head_count"), 1, MAX_HEADS);
  const hiddenSize = lookup.integer(key("embedding_length"), 1, MAX_WIDTH);
  return {
    modelType,
    modelClass: architecture.modelClass,
    hiddenSize,
    layers: lookup.integer(key("block_count"), 1, MAX_LAYERS),
    intermediateSize: lookup.integer(key("feed_forward_length"), 1, MAX_WIDTH),
    heads,
    keyValueHeads: readKeyValueHeads(lookup, key("attention.head_count_kv"), heads, path),
    headDim: readHeadDim(lookup, key, hiddenSize / heads, path),
    vocabSize: header.tensors.get("token_embd.weight")?.shape[0] ?? 0,
    rmsNormEps: shortestFloat32(lookup.positive(key("attention.layer_norm_rms_epsilon"))),
    ropeTheta: lookup.has(key("rope.freq_base"))
      ? shortestFloat32(lookup.positive(key("rope.freq_base")))
      : architecture.defaultRopeTheta,
    ropeLinearFactor: readRopeFactor(lookup, key, path),
    maxPositions: lookup.integer(key("context_length"), 1, MAX_POSITIONS),
    tied: !header.tensors.has("output.weight"),
    eosTokenIds: readEosIds(lookup),
    bosTokenId: readTokenId(lookup, "tokenizer.ggml.bos_token_id"),
  };
}

/** @param bits bits of each quantized module, by its path such as `model.embed_tokens` */
export function toConfigJson(config: GgufModelConfig, bits: ReadonlyMap<string, number>): Record<string, unknown> {
  const quantization = quantizationTable(bits);
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
    ...(config.ropeLinearFactor !== 1 && { rope_scaling: { type: "linear", factor: config.ropeLinearFactor } }),
    max_position_embeddings: config.maxPositions,
    tie_word_embeddings: config.tied,
    ...(config.bosTokenId !== undefined && { bos_token_id: config.bosTokenId }),
    ...(config.eosTokenIds.length > 0 && { eos_token_id: oneOrList(config.eosTokenIds) }),
    ...(quantization && { quantization, quantization_config: quantization }),
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

/** The most frequent width as the default, a row for each module that has another. */
function quantizationTable(bits: ReadonlyMap<string, number>): Record<string, unknown> | undefined {
  const widths = [...bits.values()];
  const uses = (width: number) => widths.filter((other) => other === width).length;
  const common = [...new Set(widths)].sort((a, b) => uses(b) - uses(a))[0];
  if (common === undefined) return undefined;
  const exceptions = [...bits].filter(([, width]) => width !== common);
  const row = (width: number) => ({ group_size: GROUP_SIZE, bits: width, mode: "affine" });
  return { ...row(common), ...Object.fromEntries(exceptions.map(([module, width]) => [module, row(width)])) };
}

function refuseVariants(lookup: MetadataLookup, modelType: string, path: string): void {
  for (const name of ["expert_count", "attention.sliding_window"]) {
    const key = `${modelType}.${name}`;
    if (lookup.has(key) && lookup.integer(key, 0, MAX_POSITIONS) > 0) {
      throw unsupported(path, `its metadata has '${key}', and only dense models with full attention can be imported`);
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

function readHeadDim(lookup: MetadataLookup, key: (name: string) => string, usual: number, path: string): number {
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

function readRopeFactor(lookup: MetadataLookup, key: (name: string) => string, path: string): number {
  const typeKey = key("rope.scaling.type");
  const type = lookup.has(typeKey) ? lookup.string(typeKey) : "none";
  if (type === "none") return 1;
  if (type === "linear") return shortestFloat32(lookup.positive(key("rope.scaling.factor")));
  throw unsupported(path, `RoPE scaling of type '${type}'; 'none' and 'linear' can be imported`);
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
