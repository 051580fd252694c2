/** A random mixture of experts of any size, in 4 bits, without a tokenizer: for what depends on sizes alone. */
import { attentionRows, type DecoderSizes, decoderSpec, mlpRows, type Plan } from "./decoder-spec.js";
import type { RandomModelSpec } from "./random-model.js";

/** `inner`: of each expert. */
export interface MixtureSizes extends DecoderSizes {
  experts: number;
  /** Experts of a token. */
  perToken: number;
}

/** Qwen3-MoE: attention in all layers. */
export function mixtureSpec(sizes: MixtureSizes): RandomModelSpec {
  const attention = (path: string): Plan => [
    ...attentionRows(path, sizes),
    ["norm", `${path}.self_attn.q_norm.weight`, sizes.headDim],
    ["norm", `${path}.self_attn.k_norm.weight`, sizes.headDim],
  ];
  const feedForward = (path: string) => expertRows(path, sizes);
  return decoderSpec("qwen3_moe", sizes, expertsConfig(sizes), { mixer: attention, feedForward });
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
  const feedForward = (path: string): Plan => [
    ...expertRows(path, sizes),
    ...mlpRows(`${path}.shared_expert`, sizes),
    ["matrix", `${path}.shared_expert_gate`, 1, hidden, 1],
  ];
  const config = {
    ...expertsConfig(sizes),
    shared_expert_intermediate_size: inner,
    partial_rotary_factor: 0.25,
    full_attention_interval: layers + 1,
    linear_num_value_heads: heads,
    linear_num_key_heads: heads,
    linear_key_head_dim: headDim,
    linear_value_head_dim: headDim,
    linear_conv_kernel_dim: 4,
  };
  return decoderSpec("qwen3_next", sizes, config, { mixer: deltaNet, feedForward });
}

function expertRows(path: string, { hidden, inner, experts }: MixtureSizes): Plan {
  return [
    ["matrix", `${path}.gate`, experts, hidden, 4],
    ["stack", `${path}.switch_mlp.gate_proj`, experts, inner, hidden, 1],
    ["stack", `${path}.switch_mlp.up_proj`, experts, inner, hidden, 1],
    ["stack", `${path}.switch_mlp.down_proj`, experts, hidden, inner, 3],
  ];
}

function expertsConfig({ inner, experts, perToken }: MixtureSizes): Record<string, unknown> {
  return {
    num_experts: experts,
    num_experts_per_tok: perToken,
    moe_intermediate_size: inner,
    mlp_only_layers: [],
    decoder_sparse_step: 1,
    norm_topk_prob: true,
    rope_theta: 10_000,
    quantization: { group_size: 64, bits: 4 },
  };
}
