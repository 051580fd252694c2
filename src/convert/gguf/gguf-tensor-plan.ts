/** Which tensor of the file becomes which tensors of the MLX model. Names are those of the Hugging Face checkpoints. */
import { PunieError } from "../../errors.js";
import type { TensorToWrite } from "../safetensors-writer.js";
import type { GgufModelConfig } from "./gguf-config.js";
import type { GgufHeader, GgufTensor } from "./gguf-header.js";
import { GROUP_SIZE, MLX_BITS, type QuantizedTypeName } from "./gguf-to-mlx-tensors.js";

export interface TensorPlan {
  source: GgufTensor;
  /** Module path, such as `model.layers.0.mlp.up_proj`. */
  module: string;
  /** `weight` or `bias`. */
  member: "weight" | "bias";
  /** Set when the source is quantized: then the module gets weight, scales and biases. */
  quantizedType: QuantizedTypeName | undefined;
  /** Set when llama.cpp has changed the order of the rows: rows per head. */
  permutedHeadDim: number | undefined;
}

interface Expectation {
  from: string;
  module: string;
  member: "weight" | "bias";
  shape: number[];
  permuted: boolean;
}

/**
 * @throws WEIGHTS_MISMATCH for a tensor that is missing or has another shape than the metadata say,
 *   MODEL_UNSUPPORTED for one that has no place in the model
 */
export function planTensors(header: GgufHeader, config: GgufModelConfig, path: string): TensorPlan[] {
  const plans: TensorPlan[] = [];
  const left = new Map(header.tensors);
  for (const expected of expectedTensors(config)) {
    plans.push(planTensor(header.tensors.get(expected.from), expected, config, path));
    left.delete(expected.from);
  }
  const [extra] = left.keys();
  if (extra !== undefined) {
    throw new PunieError(
      "MODEL_UNSUPPORTED",
      `${path}: tensor '${extra}' has no place in a ${config.modelType} model.`,
    );
  }
  return plans;
}

/** What one plan adds to the safetensors file. */
export function outputTensors(plan: TensorPlan): TensorToWrite[] {
  const { source, module, member, quantizedType } = plan;
  if (quantizedType === undefined) {
    return [{ name: `${module}.${member}`, dtype: source.type.name as "F32" | "F16" | "BF16", shape: source.shape }];
  }
  const [rows = 0, columns = 0] = source.shape;
  const groups = [rows, columns / GROUP_SIZE];
  const packedColumns = (columns * MLX_BITS[quantizedType]) / 32;
  return [
    { name: `${module}.weight`, dtype: "U32", shape: [rows, packedColumns] },
    { name: `${module}.scales`, dtype: "F16", shape: groups },
    { name: `${module}.biases`, dtype: "F16", shape: groups },
  ];
}

function planTensor(
  source: GgufTensor | undefined,
  { from, module, member, shape, permuted }: Expectation,
  config: GgufModelConfig,
  path: string,
): TensorPlan {
  if (source?.shape.join() !== shape.join()) {
    const found = source ? `found [${source.shape}]` : "it is missing";
    throw new PunieError("WEIGHTS_MISMATCH", `${path}: tensor '${from}' must have the shape [${shape}]; ${found}.`);
  }
  const quantizedType = isQuantized(source.type.name) ? source.type.name : undefined;
  if (quantizedType && shape.length !== 2) {
    throw new PunieError(
      "MODEL_UNSUPPORTED",
      `${path}: tensor '${from}' is ${quantizedType}; a vector must be a float type.`,
    );
  }
  return { source, module, member, quantizedType, permutedHeadDim: permuted ? config.headDim : undefined };
}

function isQuantized(type: string): type is QuantizedTypeName {
  return Object.hasOwn(MLX_BITS, type);
}

function* expectedTensors(config: GgufModelConfig): Generator<Expectation> {
  const { hiddenSize, vocabSize } = config;
  yield weight("token_embd", "model.embed_tokens", [vocabSize, hiddenSize]);
  for (let layer = 0; layer < config.layers; layer++) yield* expectedLayer(config, layer);
  yield weight("output_norm", "model.norm", [hiddenSize]);
  if (!config.tied) yield weight("output", "lm_head", [vocabSize, hiddenSize]);
}

function* expectedLayer(config: GgufModelConfig, layer: number): Generator<Expectation> {
  const { hiddenSize, intermediateSize, heads, keyValueHeads, headDim, modelType } = config;
  const from = `blk.${layer}`;
  const to = `model.layers.${layer}`;
  // Only the llama architecture's rotation is interleaved in llama.cpp; qwen2's is as in Hugging Face's.
  const permuted = modelType === "llama";
  const attention = [
    { name: "q", rows: heads * headDim, permuted },
    { name: "k", rows: keyValueHeads * headDim, permuted },
    { name: "v", rows: keyValueHeads * headDim, permuted: false },
  ];
  yield weight(`${from}.attn_norm`, `${to}.input_layernorm`, [hiddenSize]);
  for (const { name, rows, permuted } of attention) {
    const module = `${to}.self_attn.${name}_proj`;
    yield { ...weight(`${from}.attn_${name}`, module, [rows, hiddenSize]), permuted };
    if (modelType === "qwen2") {
      yield { from: `${from}.attn_${name}.bias`, module, member: "bias", shape: [rows], permuted: false };
    }
  }
  yield weight(`${from}.attn_output`, `${to}.self_attn.o_proj`, [hiddenSize, heads * headDim]);
  yield weight(`${from}.ffn_norm`, `${to}.post_attention_layernorm`, [hiddenSize]);
  yield weight(`${from}.ffn_gate`, `${to}.mlp.gate_proj`, [intermediateSize, hiddenSize]);
  yield weight(`${from}.ffn_up`, `${to}.mlp.up_proj`, [intermediateSize, hiddenSize]);
  yield weight(`${from}.ffn_down`, `${to}.mlp.down_proj`, [hiddenSize, intermediateSize]);
}

function weight(from: string, module: string, shape: number[]): Expectation {
  return { from: `${from}.weight`, module, member: "weight", shape, permuted: false };
}
