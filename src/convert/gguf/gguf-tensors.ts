/** Which tensor of a GGUF file is which of the model, by the names of MLX's models. */
import { PunieError } from "../../errors.js";
import { type Encoding, isFloat, type ModelTensor, mismatch, rowsOf, type StoredTensor } from "../model-tensor.js";
import { isQuantizedType } from "./ggml-types.js";
import type { GgufModelConfig } from "./gguf-config.js";
import type { GgufTensor } from "./gguf-header.js";
import { bytesPerRow, type GgufReader } from "./gguf-reader.js";
import { inHuggingFaceOrder } from "./row-order.js";

interface Expectation {
  from: string;
  to: string;
  shape: number[];
  /** llama.cpp has changed the order of its rows. */
  permuted?: boolean;
}

/**
 * @throws PunieError `WEIGHTS_MISMATCH` for a tensor that is missing or has another shape than the metadata say,
 * `MODEL_UNSUPPORTED` for one that has no place in the model.
 */
export function ggufTensors(reader: GgufReader, config: GgufModelConfig): ModelTensor[] {
  const { header, path } = reader;
  const left = new Map(header.tensors);
  const tensors: ModelTensor[] = [];
  for (const expected of expectedTensors(config)) {
    const found = header.tensors.get(expected.from);
    tensors.push(modelTensor(reader, checked(found, expected, path), expected, config));
    left.delete(expected.from);
  }
  if (left.size > 0) {
    const { message } = mismatch(path, `tensors that have no place in a ${config.modelType} model`, [...left.keys()]);
    throw new PunieError("MODEL_UNSUPPORTED", message);
  }
  return tensors;
}

function checked(found: GgufTensor | undefined, { from, shape }: Expectation, path: string): GgufTensor {
  if (found?.shape.join() !== shape.join()) {
    const what = found ? `found [${found.shape}]` : "it is missing";
    throw new PunieError("WEIGHTS_MISMATCH", `${path}: tensor '${from}' must have the shape [${shape}]; ${what}.`);
  }
  if (shape.length === 1 && !isFloat(found.type.name)) {
    throw new PunieError(
      "MODEL_UNSUPPORTED",
      `${path}: tensor '${from}' is ${found.type.name}; a vector must be a float type.`,
    );
  }
  return found;
}

function modelTensor(
  reader: GgufReader,
  source: GgufTensor,
  { to, shape, permuted }: Expectation,
  config: GgufModelConfig,
): ModelTensor {
  const { name, blockValues, blockBytes } = source.type;
  const encoding: Encoding = isQuantizedType(name)
    ? { kind: "ggml", type: name, blockValues, blockBytes, dtype: "F32" }
    : { kind: "float", dtype: name };
  const stored: StoredTensor = {
    name: source.name,
    dtype: name,
    shape,
    bytes: source.bytes,
    read: (target, offset) => reader.read(source, target, offset),
  };
  const data = permuted ? inHuggingFaceOrder(stored, bytesPerRow(source), config.headDim) : stored;
  return { name: to, shape, encoding, rows: [{ data, first: 0, count: rowsOf(shape) }] };
}

function* expectedTensors(config: GgufModelConfig): Generator<Expectation> {
  const { hiddenSize, vocabSize } = config;
  yield weight("token_embd", "model.embed_tokens", [vocabSize, hiddenSize]);
  for (let layer = 0; layer < config.layers; layer++) yield* expectedLayer(config, layer);
  yield weight("output_norm", "model.norm", [hiddenSize]);
  if (!config.tied) yield weight("output", "lm_head", [vocabSize, hiddenSize]);
}

function* expectedLayer(config: GgufModelConfig, layer: number): Generator<Expectation> {
  const { hiddenSize, heads, keyValueHeads, headDim, modelType } = config;
  const from = `blk.${layer}`;
  const to = `model.layers.${layer}`;
  // Only the llama architecture's rotation is interleaved in llama.cpp.
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
    if (modelType === "qwen2") yield { from: `${from}.attn_${name}.bias`, to: `${module}.bias`, shape: [rows] };
  }
  if (modelType === "qwen3" || modelType === "qwen3_moe") {
    yield weight(`${from}.attn_q_norm`, `${to}.self_attn.q_norm`, [headDim]);
    yield weight(`${from}.attn_k_norm`, `${to}.self_attn.k_norm`, [headDim]);
  }
  yield weight(`${from}.attn_output`, `${to}.self_attn.o_proj`, [hiddenSize, heads * headDim]);
  yield weight(`${from}.ffn_norm`, `${to}.post_attention_layernorm`, [hiddenSize]);
  yield* expectedMlp(config, from, to);
}

function* expectedMlp(config: GgufModelConfig, from: string, to: string): Generator<Expectation> {
  const { hiddenSize, intermediateSize, experts } = config;
  if (!experts) {
    yield weight(`${from}.ffn_gate`, `${to}.mlp.gate_proj`, [intermediateSize, hiddenSize]);
    yield weight(`${from}.ffn_up`, `${to}.mlp.up_proj`, [intermediateSize, hiddenSize]);
    yield weight(`${from}.ffn_down`, `${to}.mlp.down_proj`, [hiddenSize, intermediateSize]);
    return;
  }
  const inner = experts.intermediateSize;
  yield weight(`${from}.ffn_gate_inp`, `${to}.mlp.gate`, [experts.count, hiddenSize]);
  yield weight(`${from}.ffn_gate_exps`, `${to}.mlp.switch_mlp.gate_proj`, [experts.count, inner, hiddenSize]);
  yield weight(`${from}.ffn_up_exps`, `${to}.mlp.switch_mlp.up_proj`, [experts.count, inner, hiddenSize]);
  yield weight(`${from}.ffn_down_exps`, `${to}.mlp.switch_mlp.down_proj`, [experts.count, hiddenSize, inner]);
}

function weight(from: string, to: string, shape: number[]): Expectation {
  return { from: `${from}.weight`, to: `${to}.weight`, shape };
}
