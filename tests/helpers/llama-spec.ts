/** A random llama of any size, unquantized, without a tokenizer: for what depends on sizes alone. */
import type { RandomModelSpec } from "./random-model.js";

export interface LlamaSizes {
  hidden: number;
  layers: number;
  inner: number;
  heads: number;
  keyValueHeads: number;
  vocab: number;
  positions: number;
  /** Default: hidden / heads. */
  headDim?: number;
}

export function llamaSpec({
  hidden,
  layers,
  inner,
  heads,
  keyValueHeads,
  vocab,
  positions,
  headDim = hidden / heads,
}: LlamaSizes): RandomModelSpec {
  const queries = headDim * heads;
  const keys = headDim * keyValueHeads;
  const layer = (path: string): RandomModelSpec["plan"] => [
    ["norm", `${path}.input_layernorm.weight`, hidden],
    ["matrix", `${path}.self_attn.q_proj`, queries, hidden, 1],
    ["matrix", `${path}.self_attn.k_proj`, keys, hidden, 1],
    ["matrix", `${path}.self_attn.v_proj`, keys, hidden, 1],
    ["matrix", `${path}.self_attn.o_proj`, hidden, queries, 3],
    ["matrix", `${path}.mlp.gate_proj`, inner, hidden, 1],
    ["matrix", `${path}.mlp.up_proj`, inner, hidden, 1],
    ["matrix", `${path}.mlp.down_proj`, hidden, inner, 3],
    ["norm", `${path}.post_attention_layernorm.weight`, hidden],
  ];
  return {
    name: "llama",
    seed: 7,
    dtype: "F32",
    config: {
      model_type: "llama",
      hidden_size: hidden,
      num_hidden_layers: layers,
      intermediate_size: inner,
      num_attention_heads: heads,
      num_key_value_heads: keyValueHeads,
      head_dim: headDim,
      vocab_size: vocab,
      tie_word_embeddings: true,
      rms_norm_eps: 1e-5,
      max_position_embeddings: positions,
    },
    plan: [
      ["matrix", "model.embed_tokens", vocab, hidden, 2],
      ...Array.from({ length: layers }, (_, i) => layer(`model.layers.${i}`)).flat(),
      ["norm", "model.norm.weight", hidden],
    ],
  };
}
