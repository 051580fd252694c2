/** The shapes of published models, so that a machine can be tried before anything is downloaded. */
import type { Quantization } from "../convert/quantization-choice.js";

export interface Shape {
  modelType: "qwen2" | "qwen3" | "qwen3_moe";
  hiddenSize: number;
  layers: number;
  heads: number;
  keyValueHeads: number;
  headDim: number;
  intermediateSize: number;
  vocabSize: number;
  /** The embedding is the output layer too. */
  tied: boolean;
  /** In place of every layer's feed-forward block. */
  experts?: { count: number; perToken: number; intermediateSize: number };
}

const QWEN3 = { modelType: "qwen3", headDim: 128, vocabSize: 151_936 } as const;
const QWEN3_MOE = { ...QWEN3, modelType: "qwen3_moe" } as const;

/** From each repository's config.json, https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct and its like. */
export const SHAPES = {
  "qwen2.5-coder-0.5b": qwen2(896, 24, 14, 2, 4864, 151_936, true),
  "qwen2.5-coder-1.5b": qwen2(1536, 28, 12, 2, 8960, 151_936, true),
  "qwen2.5-coder-3b": qwen2(2048, 36, 16, 2, 11_008, 151_936, true),
  "qwen2.5-coder-7b": qwen2(3584, 28, 28, 4, 18_944, 152_064, false),
  "qwen2.5-coder-14b": qwen2(5120, 48, 40, 8, 13_824, 152_064, false),
  "qwen3-0.6b": {
    ...QWEN3,
    hiddenSize: 1024,
    layers: 28,
    heads: 16,
    keyValueHeads: 8,
    intermediateSize: 3072,
    tied: true,
  },
  "qwen3-4b": {
    ...QWEN3,
    hiddenSize: 2560,
    layers: 36,
    heads: 32,
    keyValueHeads: 8,
    intermediateSize: 9728,
    tied: true,
  },
  "qwen3-8b": {
    ...QWEN3,
    hiddenSize: 4096,
    layers: 36,
    heads: 32,
    keyValueHeads: 8,
    intermediateSize: 12_288,
    tied: false,
  },
  "qwen3-coder-30b-a3b": {
    ...QWEN3_MOE,
    hiddenSize: 2048,
    layers: 48,
    heads: 32,
    keyValueHeads: 4,
    intermediateSize: 5472,
    tied: false,
    experts: { count: 128, perToken: 8, intermediateSize: 768 },
  },
  // Nobody's: that of qwen2.5-coder-1.5b with as many active weights in 8 of 32 experts, to compare the two.
  "moe-1.5b": {
    ...QWEN3_MOE,
    hiddenSize: 1536,
    layers: 28,
    heads: 12,
    keyValueHeads: 2,
    intermediateSize: 8960,
    tied: true,
    experts: { count: 32, perToken: 8, intermediateSize: 1152 },
  },
} as const satisfies Record<string, Shape>;

export type ShapeName = keyof typeof SHAPES;

function qwen2(
  hiddenSize: number,
  layers: number,
  heads: number,
  keyValueHeads: number,
  intermediateSize: number,
  vocabSize: number,
  tied: boolean,
): Shape {
  const headDim = hiddenSize / heads;
  return {
    modelType: "qwen2",
    hiddenSize,
    layers,
    heads,
    keyValueHeads,
    headDim,
    intermediateSize,
    vocabSize,
    tied,
  };
}

/** What published models have most. */
export const DEFAULT_QUANTIZATION: Quantization = { mode: "affine", bits: 4, groupSize: 64 };

/** A tensor of such a model, and what it is filled with. */
export type ShapeTensor = {
  name: string;
  shape: number[];
} & (
  | { dtype: "BF16"; fill: "zero" | "one" }
  /** Inputs of the layer and the form of its weights decide the size of its scales. */
  | { dtype: "U32" | "U8" | "BF16"; fill: "weight" | "scale" | "bias"; columns: number; quantization: Quantization }
);

/** The tensors of a quantized model in MLX's layout: packed values in uint32, a scale and, if affine, a bias per group. */
export function shapeTensors(shape: Shape, quantization = DEFAULT_QUANTIZATION): ShapeTensor[] {
  const { hiddenSize: hidden, heads, keyValueHeads, headDim, vocabSize, experts } = shape;
  const tensors: ShapeTensor[] = [];
  const linear = (name: string, rows: number[], columns: number, own = quantization) => {
    tensors.push(...quantized(name, rows, columns, own));
  };
  const vector = (name: string, size: number, fill: "zero" | "one") => {
    tensors.push({ name, dtype: "BF16", shape: [size], fill });
  };
  linear("model.embed_tokens", [vocabSize], hidden);
  if (!shape.tied) linear("lm_head", [vocabSize], hidden);
  for (let layer = 0; layer < shape.layers; layer++) {
    const attention = `model.layers.${layer}.self_attn`;
    for (const [name, rows] of [
      ["q_proj", heads * headDim],
      ["k_proj", keyValueHeads * headDim],
      ["v_proj", keyValueHeads * headDim],
    ] as const) {
      linear(`${attention}.${name}`, [rows], hidden);
      if (shape.modelType === "qwen2") vector(`${attention}.${name}.bias`, rows, "zero");
    }
    linear(`${attention}.o_proj`, [hidden], heads * headDim);
    if (shape.modelType !== "qwen2") {
      vector(`${attention}.q_norm.weight`, headDim, "one");
      vector(`${attention}.k_norm.weight`, headDim, "one");
    }
    const mlp = `model.layers.${layer}.mlp`;
    const inner = experts?.intermediateSize ?? shape.intermediateSize;
    const many = experts ? [experts.count] : [];
    const block = experts ? `${mlp}.switch_mlp` : mlp;
    if (experts) linear(`${mlp}.gate`, [experts.count], hidden, GATE_QUANTIZATION);
    linear(`${block}.gate_proj`, [...many, inner], hidden);
    linear(`${block}.up_proj`, [...many, inner], hidden);
    linear(`${block}.down_proj`, [...many, hidden], inner);
    vector(`model.layers.${layer}.input_layernorm.weight`, hidden, "one");
    vector(`model.layers.${layer}.post_attention_layernorm.weight`, hidden, "one");
  }
  vector("model.norm.weight", hidden, "one");
  return tensors;
}

/** mlx-lm keeps what chooses the experts at 8 bits. */
const GATE_QUANTIZATION: Quantization = { mode: "affine", bits: 8, groupSize: 64 };

function quantized(name: string, rows: number[], columns: number, quantization: Quantization): ShapeTensor[] {
  const { mode, bits, groupSize } = quantization;
  const words = [...rows, (columns * bits) / 32];
  const groups = [...rows, columns / groupSize];
  const common = { columns, quantization };
  const weight: ShapeTensor = { ...common, name: `${name}.weight`, dtype: "U32", shape: words, fill: "weight" };
  const scales = { ...common, name: `${name}.scales`, shape: groups, fill: "scale" } as const;
  if (mode !== "affine") return [weight, { ...scales, dtype: "U8" }];
  return [
    weight,
    { ...scales, dtype: "BF16" },
    { ...common, name: `${name}.biases`, dtype: "BF16", shape: groups, fill: "bias" },
  ];
}

/** config.json of such a model. */
export function shapeConfig(shape: Shape, quantization = DEFAULT_QUANTIZATION): Record<string, unknown> {
  const { experts } = shape;
  const { mode, bits, groupSize } = quantization;
  const table: Record<string, unknown> = { group_size: groupSize, bits, mode };
  if (experts) {
    const gate = { group_size: GATE_QUANTIZATION.groupSize, bits: GATE_QUANTIZATION.bits };
    for (let layer = 0; layer < shape.layers; layer++) table[`model.layers.${layer}.mlp.gate`] = gate;
  }
  return {
    model_type: shape.modelType,
    hidden_size: shape.hiddenSize,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.keyValueHeads,
    head_dim: shape.headDim,
    intermediate_size: shape.intermediateSize,
    vocab_size: shape.vocabSize,
    rms_norm_eps: 1e-6,
    rope_theta: 1_000_000,
    max_position_embeddings: 32_768,
    tie_word_embeddings: shape.tied,
    hidden_act: "silu",
    eos_token_id: 151_645,
    ...(experts && {
      num_experts: experts.count,
      num_experts_per_tok: experts.perToken,
      moe_intermediate_size: experts.intermediateSize,
      norm_topk_prob: true,
      decoder_sparse_step: 1,
      mlp_only_layers: [],
    }),
    quantization: table,
    quantization_config: table,
  };
}
