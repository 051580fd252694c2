/** A random mixture of experts of any size, in 4 bits, without a tokenizer: for what depends on sizes alone. */
import type { RandomModelSpec } from "./random-model.js";

export interface MixtureSizes {
  hidden: number;
  layers: number;
  heads: number;
  keyValueHeads: number;
  headDim: number;
  experts: number;
  /** Experts of a token. */
  perToken: number;
  /** Of each expert. */
  inner: number;
  vocab: number;
}

type Plan = RandomModelSpec["plan"];

/** Qwen3-MoE: attention in all layers. */
export function mixtureSpec(sizes: MixtureSizes): RandomModelSpec {
  const { heads, keyValueHeads, headDim, hidden } = sizes;
  const attention = (path: string): Plan => [
    ["matrix", `${path}.self_attn.q_proj`, heads * headDim, hidden, 1],
    ["matrix", `${path}.self_attn.k_proj`, keyValueHeads * headDim, hidden, 1],
    ["matrix", `${path}.self_attn.v_proj`, keyValueHeads * headDim, hidden, 1],
    ["matrix", `${path}.self_attn.o_proj`, hidden, heads * headDim, 3],
    ["norm", `${path}.self_attn.q_norm.weight`, headDim],
    ["norm", `${path}.self_attn.k_norm.weight`, headDim],
  ];
  return mixture("qwen3_moe", sizes, {}, attention, () => []);
}

/** Qwen3-Next with gated delta nets in all layers, as wide as attention would be, and an expert that all tokens share. */
export function deltaMixtureSpec(sizes: MixtureSizes): RandomModelSpec {
  const { heads, headDim, hidden, inner, layers } = sizes;
  const width = heads * headDim;
  const deltaNet = (path: string): Plan => [
    ["matrix", `${path}.linear_attn.in_proj_qkvz`, 4 * width, hidden, 1],
    ["matrix", `${path}.linear_attn.in_proj_ba`, 2 * heads, hidden, 1],
    ["uniform", `${path}.linear_attn.conv1d.weight`, [3 * width, 4, 1], 0],
    ["uniform", `${path}.linear_attn.dt_bias`, [heads], 0],
    ["uniform", `${path}.linear_attn.A_log`, [heads], 1],
    ["norm", `${path}.linear_attn.norm.weight`, headDim],
    ["matrix", `${path}.linear_attn.out_proj`, hidden, width, 3],
  ];
  const config = {
    shared_expert_intermediate_size: inner,
    partial_rotary_factor: 0.25,
    full_attention_interval: layers + 1,
    linear_num_value_heads: heads,
    linear_num_key_heads: heads,
    linear_key_head_dim: headDim,
    linear_value_head_dim: headDim,
    linear_conv_kernel_dim: 4,
  };
  const shared = (path: string): Plan => [
    ["matrix", `${path}.mlp.shared_expert.gate_proj`, inner, hidden, 1],
    ["matrix", `${path}.mlp.shared_expert.up_proj`, inner, hidden, 1],
    ["matrix", `${path}.mlp.shared_expert.down_proj`, hidden, inner, 3],
    ["matrix", `${path}.mlp.shared_expert_gate`, 1, hidden, 1],
  ];
  return mixture("qwen3_next", sizes, config, deltaNet, shared);
}

function mixture(
  modelType: string,
  { hidden, layers, heads, keyValueHeads, headDim, experts, perToken, inner, vocab }: MixtureSizes,
  more: Record<string, unknown>,
  mixer: (path: string) => Plan,
  beside: (path: string) => Plan,
): RandomModelSpec {
  const layer = (path: string): Plan => [
    ["norm", `${path}.input_layernorm.weight`, hidden],
    ...mixer(path),
    ["matrix", `${path}.mlp.gate`, experts, hidden, 4],
    ["stack", `${path}.mlp.switch_mlp.gate_proj`, experts, inner, hidden, 1],
    ["stack", `${path}.mlp.switch_mlp.up_proj`, experts, inner, hidden, 1],
    ["stack", `${path}.mlp.switch_mlp.down_proj`, experts, hidden, inner, 3],
    ...beside(path),
    ["norm", `${path}.post_attention_layernorm.weight`, hidden],
  ];
  return {
    name: modelType,
    seed: 9,
    dtype: "F32",
    config: {
      model_type: modelType,
      hidden_size: hidden,
      num_hidden_layers: layers,
      intermediate_size: inner,
      num_attention_heads: heads,
      num_key_value_heads: keyValueHeads,
      head_dim: headDim,
      num_experts: experts,
      num_experts_per_tok: perToken,
      moe_intermediate_size: inner,
      mlp_only_layers: [],
      decoder_sparse_step: 1,
      norm_topk_prob: true,
      vocab_size: vocab,
      tie_word_embeddings: true,
      rms_norm_eps: 1e-5,
      rope_theta: 10_000,
      max_position_embeddings: 4096,
      quantization: { group_size: 64, bits: 4 },
      ...more,
    },
    plan: [
      ["matrix", "model.embed_tokens", vocab, hidden, 2],
      ...Array.from({ length: layers }, (_, i) => layer(`model.layers.${i}`)).flat(),
      ["norm", "model.norm.weight", hidden],
    ],
  };
}
