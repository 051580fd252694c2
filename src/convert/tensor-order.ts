/**
 * The order of a model's tensors, as mlx-lm's modules have them: it decides which shard a tensor goes to. A tensor that
 * has no place in it is none of a model of these types.
 */
import { type ModelTensor, memberOf, mismatch, moduleOf } from "./model-tensor.js";

const ATTENTION = [
  ...["q_proj", "k_proj", "v_proj", "o_proj", "q_norm", "k_norm"].map((name) => `self_attn.${name}`),
  ...[
    "conv1d",
    "in_proj_qkvz",
    "in_proj_ba",
    "in_proj_qkv",
    "in_proj_z",
    "in_proj_b",
    "in_proj_a",
    "dt_bias",
    "A_log",
  ].map((name) => `linear_attn.${name}`),
  ...["norm", "out_proj"].map((name) => `linear_attn.${name}`),
];
const NORMS = ["input_layernorm", "post_attention_layernorm"];
const MLP = [
  "mlp.gate",
  ...["gate_proj", "up_proj", "down_proj"].map((name) => `mlp.switch_mlp.${name}`),
  ...["gate_proj", "down_proj", "up_proj"].map((name) => `mlp.shared_expert.${name}`),
  "mlp.shared_expert_gate",
  ...["gate_proj", "down_proj", "up_proj"].map((name) => `mlp.${name}`),
];
const MEMBERS = ["weight", "scales", "biases", "bias"];
/** Parameters that belong to a layer itself, not to a module of it. */
const BARE = new Set(["dt_bias", "A_log"]);

const NORMS_LAST = [...ATTENTION, ...MLP, ...NORMS];
const NORMS_BEFORE_MLP = [...ATTENTION, ...NORMS, ...MLP];

/** `model_type` to the order of a layer's modules. */
const LAYER_ORDER: Readonly<Record<string, readonly string[]>> = {
  llama: NORMS_LAST,
  qwen2: NORMS_LAST,
  qwen2_moe: NORMS_LAST,
  qwen3: NORMS_LAST,
  qwen3_moe: NORMS_BEFORE_MLP,
  qwen3_next: NORMS_BEFORE_MLP,
  qwen3_5: NORMS_BEFORE_MLP,
  qwen3_5_moe: NORMS_BEFORE_MLP,
};

export const CONVERTED_MODEL_TYPES = Object.keys(LAYER_ORDER);

/** True for the parameters that mlx-lm leaves out where it counts a model's parameters. */
export function isBareParameter(name: string): boolean {
  return BARE.has(memberOf(name));
}

/** @throws PunieError `WEIGHTS_MISMATCH` naming tensors that no model of this type has. */
export function inModelOrder(tensors: readonly ModelTensor[], modelType: string, place: string): ModelTensor[] {
  const order = LAYER_ORDER[modelType] ?? [];
  const ranked = tensors.map((tensor) => ({ tensor, rank: rank(tensor.name, order) }));
  const unknown = ranked.filter(({ rank }) => rank === undefined).map(({ tensor }) => tensor.name);
  if (unknown.length > 0) throw mismatch(place, `tensors that are no part of a ${modelType} model`, unknown.sort());
  return ranked.sort((a, b) => compare(a.rank as number[], b.rank as number[])).map(({ tensor }) => tensor);
}

/** Where in the model, which layer, which module of it, which member; undefined for a name that has no place. */
function rank(name: string, order: readonly string[]): number[] | undefined {
  const local = name.replace(/^language_model\./, "");
  const bare = isBareParameter(name);
  const member = bare ? 0 : MEMBERS.indexOf(memberOf(local));
  const module = bare ? local : moduleOf(local);
  const layer = /^model\.layers\.(\d{1,4})\.(.+)$/.exec(module);
  const at = layer ? order.indexOf(layer[2] ?? "") : TOP_LEVEL.indexOf(module);
  if (member < 0 || at < 0) return undefined;
  return layer ? [LAYERS, Number(layer[1]), at, member] : [at, 0, 0, member];
}

/** The layers come where the empty name stands. */
const TOP_LEVEL = ["model.embed_tokens", "", "model.norm", "lm_head"];
const LAYERS = 1;

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at < 0 ? 0 : (a[at] as number) - (b[at] as number);
}
