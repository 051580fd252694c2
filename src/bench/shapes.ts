/** The shapes of published models, so that a machine can be tried before anything is downloaded. */

export interface Shape {
  hiddenSize: number;
  layers: number;
  heads: number;
  keyValueHeads: number;
  intermediateSize: number;
  vocabSize: number;
  /** The embedding is the output layer too. */
  tied: boolean;
}

/** From each repository's config.json, https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct and its sisters. */
export const SHAPES = {
  "qwen2.5-coder-0.5b": shape(896, 24, 14, 2, 4864, 151_936, true),
  "qwen2.5-coder-1.5b": shape(1536, 28, 12, 2, 8960, 151_936, true),
  "qwen2.5-coder-3b": shape(2048, 36, 16, 2, 11_008, 151_936, true),
  "qwen2.5-coder-7b": shape(3584, 28, 28, 4, 18_944, 152_064, false),
  "qwen2.5-coder-14b": shape(5120, 48, 40, 8, 13_824, 152_064, false),
} as const satisfies Record<string, Shape>;

export type ShapeName = keyof typeof SHAPES;

function shape(
  hiddenSize: number,
  layers: number,
  heads: number,
  keyValueHeads: number,
  intermediateSize: number,
  vocabSize: number,
  tied: boolean,
): Shape {
  return { hiddenSize, layers, heads, keyValueHeads, intermediateSize, vocabSize, tied };
}

const BITS = 4;
const GROUP_SIZE = 64;

/** A tensor of such a model, and what it is filled with. */
export interface ShapeTensor {
  name: string;
  dtype: "U32" | "BF16";
  shape: number[];
  fill: "weight" | "scale" | "bias" | "zero" | "one";
  /** Inputs of the layer, which decide the size of its scales. */
  columns: number;
}

/** The tensors of a 4-bit qwen2 model in MLX's layout: eight values in a uint32, a scale and a bias per group. */
export function shapeTensors(shape: Shape): ShapeTensor[] {
  const { hiddenSize: hidden, intermediateSize: inner, heads, keyValueHeads, vocabSize } = shape;
  const headDim = hidden / heads;
  const tensors = linear("model.embed_tokens", vocabSize, hidden);
  if (!shape.tied) tensors.push(...linear("lm_head", vocabSize, hidden));
  for (let layer = 0; layer < shape.layers; layer++) {
    const at = `model.layers.${layer}`;
    tensors.push(
      ...linear(`${at}.self_attn.q_proj`, heads * headDim, hidden, true),
      ...linear(`${at}.self_attn.k_proj`, keyValueHeads * headDim, hidden, true),
      ...linear(`${at}.self_attn.v_proj`, keyValueHeads * headDim, hidden, true),
      ...linear(`${at}.self_attn.o_proj`, hidden, heads * headDim),
      ...linear(`${at}.mlp.gate_proj`, inner, hidden),
      ...linear(`${at}.mlp.up_proj`, inner, hidden),
      ...linear(`${at}.mlp.down_proj`, hidden, inner),
      vector(`${at}.input_layernorm.weight`, hidden, "one"),
      vector(`${at}.post_attention_layernorm.weight`, hidden, "one"),
    );
  }
  tensors.push(vector("model.norm.weight", hidden, "one"));
  return tensors;
}

function linear(name: string, rows: number, columns: number, withBias = false): ShapeTensor[] {
  const groups = columns / GROUP_SIZE;
  const tensors: ShapeTensor[] = [
    { name: `${name}.weight`, dtype: "U32", shape: [rows, (columns * BITS) / 32], fill: "weight", columns },
    { name: `${name}.scales`, dtype: "BF16", shape: [rows, groups], fill: "scale", columns },
    { name: `${name}.biases`, dtype: "BF16", shape: [rows, groups], fill: "bias", columns },
  ];
  if (withBias) tensors.push(vector(`${name}.bias`, rows, "zero"));
  return tensors;
}

function vector(name: string, size: number, fill: "zero" | "one"): ShapeTensor {
  return { name, dtype: "BF16", shape: [size], fill, columns: size };
}

/** config.json of such a model. */
export function shapeConfig(shape: Shape): Record<string, unknown> {
  const quantization = { group_size: GROUP_SIZE, bits: BITS };
  return {
    model_type: "qwen2",
    architectures: ["Qwen2ForCausalLM"],
    hidden_size: shape.hiddenSize,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.keyValueHeads,
    intermediate_size: shape.intermediateSize,
    vocab_size: shape.vocabSize,
    rms_norm_eps: 1e-6,
    rope_theta: 1_000_000,
    max_position_embeddings: 32_768,
    tie_word_embeddings: shape.tied,
    hidden_act: "silu",
    eos_token_id: 151_645,
    quantization,
    quantization_config: quantization,
  };
}
