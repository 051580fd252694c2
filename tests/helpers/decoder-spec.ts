/** A random decoder of any size, without a tokenizer: what the families' specs (llama-spec, mixture-spec) share. */
import type { RandomModelSpec } from "./random-model.js";

export interface DecoderSizes {
  hidden: number;
  layers: number;
  inner: number;
  heads: number;
  keyValueHeads: number;
  headDim: number;
  vocab: number;
  positions: number;
}

export type Plan = RandomModelSpec["plan"];

/** What a block has between its norms, below a path of its own. */
export interface Block {
  mixer: (path: string) => Plan;
  feedForward: (path: string) => Plan;
}

/** @param more What else config.json has. */
export function decoderSpec(
  modelType: string,
  { hidden, layers, inner, heads, keyValueHeads, headDim, vocab, positions }: DecoderSizes,
  more: Record<string, unknown>,
  { mixer, feedForward }: Block,
): RandomModelSpec {
  const layer = (path: string): Plan => [
    ["norm", `${path}.input_layernorm.weight`, hidden],
    ...mixer(path),
    ...feedForward(`${path}.mlp`),
    ["norm", `${path}.post_attention_layernorm.weight`, hidden],
  ];
  return {
    name: modelType,
    seed: 7,
    dtype: "F32",
    config: {
      model_type: modelType,
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
      ...more,
    },
    plan: [
      ["matrix", "model.embed_tokens", vocab, hidden, 2],
      ...Array.from({ length: layers }, (_, i) => layer(`model.layers.${i}`)).flat(),
      ["norm", "model.norm.weight", hidden],
    ],
  };
}

export function attentionRows(path: string, { hidden, heads, keyValueHeads, headDim }: DecoderSizes): Plan {
  return [
    ["matrix", `${path}.self_attn.q_proj`, heads * headDim, hidden, 1],
    ["matrix", `${path}.self_attn.k_proj`, keyValueHeads * headDim, hidden, 1],
    ["matrix", `${path}.self_attn.v_proj`, keyValueHeads * headDim, hidden, 1],
    ["matrix", `${path}.self_attn.o_proj`, hidden, heads * headDim, 3],
  ];
}

/** A feed-forward block's. */
export function mlpRows(path: string, { hidden, inner }: DecoderSizes): Plan {
  return [
    ["matrix", `${path}.gate_proj`, inner, hidden, 1],
    ["matrix", `${path}.up_proj`, inner, hidden, 1],
    ["matrix", `${path}.down_proj`, hidden, inner, 3],
  ];
}
