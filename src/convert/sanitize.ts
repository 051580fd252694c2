/**
 * The tensors of a Hugging Face checkpoint under the names and in the shapes that MLX's models have: what mlx-lm calls
 * sanitizing. Experts are stacked into one tensor, what the model has no use for is dropped, and norms that are stored
 * as their difference from one get it back. A directory that is in MLX's form already comes out as it went in.
 */
import { type ModelTensor, mismatch, rowsOf } from "./model-tensor.js";

/** What sanitizing has to know of config.json. */
export interface SanitizeConfig {
  modelType: string;
  tieWordEmbeddings: boolean;
  /** 0 without experts. */
  experts: number;
}

/** The text models' names begin with `language_model.` there. */
const NESTED = new Set(["qwen3_5", "qwen3_5_moe"]);
const DROPS_ROTARY = new Set(["llama", "qwen2"]);
const PROJECTIONS = ["up_proj", "down_proj", "gate_proj"];
const SHIFTED_NORMS = [
  ".input_layernorm.weight",
  ".post_attention_layernorm.weight",
  "model.norm.weight",
  ".q_norm.weight",
  ".k_norm.weight",
];

/**
 * @param place The source, for messages.
 * @throws PunieError `WEIGHTS_MISMATCH` for experts that are missing or differ in shape.
 */
export function sanitize(tensors: readonly ModelTensor[], config: SanitizeConfig, place: string): ModelTensor[] {
  const { modelType } = config;
  let named = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  if (NESTED.has(modelType)) named = withoutVision(named);
  if (modelType === "qwen3_5_moe") splitGateUp(named);
  const shifted = needsShift(named, modelType);
  for (const name of [...named.keys()]) {
    if (isDropped(name, config)) named.delete(name);
  }
  stackExperts(named, config, place);
  return [...named.values()].map((tensor) => {
    const whole = squeezeConvolution(tensor);
    const isShifted = shifted && tensor.shape.length === 1 && SHIFTED_NORMS.some((end) => tensor.name.endsWith(end));
    return isShifted ? { ...whole, addOne: true } : whole;
  });
}

function withoutVision(named: ReadonlyMap<string, ModelTensor>): Map<string, ModelTensor> {
  const kept = new Map<string, ModelTensor>();
  for (const [name, tensor] of named) {
    if (name.startsWith("vision_tower") || name.startsWith("model.visual")) continue;
    const own = nestedName(name);
    kept.set(own, { ...tensor, name: own });
  }
  return kept;
}

function nestedName(name: string): string {
  if (name.startsWith("model.language_model")) return name.replace("model.language_model", "language_model.model");
  return name.startsWith("language_model.") ? name : `language_model.${name}`;
}

/** `experts.gate_up_proj` [experts, 2 × inner, hidden] holds each expert's gate and then its up projection. */
function splitGateUp(named: Map<string, ModelTensor>): void {
  for (const [name, tensor] of [...named]) {
    const layer = /^(.*\.mlp)\.experts\.(gate_up_proj|down_proj)$/.exec(name);
    if (!layer) continue;
    named.delete(name);
    const to = `${layer[1]}.switch_mlp`;
    if (layer[2] === "down_proj") {
      named.set(`${to}.down_proj.weight`, { ...tensor, name: `${to}.down_proj.weight` });
      continue;
    }
    for (const [half, projection] of ["gate_proj", "up_proj"].entries()) {
      const part = `${to}.${projection}.weight`;
      named.set(part, { ...halfOfEach(tensor, half), name: part });
    }
  }
}

function halfOfEach(tensor: ModelTensor, half: number): ModelTensor {
  const [experts = 0, both = 0, hidden = 0] = tensor.shape;
  const inner = Math.floor(both / 2);
  const count = half === 0 ? inner : both - inner;
  const [source] = tensor.rows;
  const rows = source
    ? Array.from({ length: experts }, (_, expert) => ({
        ...source,
        first: source.first + expert * both + half * inner,
        count,
      }))
    : [];
  return { ...tensor, shape: [experts, count, hidden], rows };
}

/** The checkpoint's norms are what they differ from one by, unless it is in MLX's form already. */
function needsShift(named: ReadonlyMap<string, ModelTensor>, modelType: string): boolean {
  if (modelType === "qwen3_next") return [...named.keys()].some((name) => FIRST_EXPERT.test(name));
  if (!NESTED.has(modelType)) return false;
  return [...named.values()].some(({ name, shape }) => name.includes("conv1d.weight") && shape.at(-1) !== 1);
}

const FIRST_EXPERT = /^model\.layers\.\d+\.mlp\.experts\.0\.up_proj\.weight$/;

function isDropped(name: string, { modelType, tieWordEmbeddings }: SanitizeConfig): boolean {
  if (DROPS_ROTARY.has(modelType) && name.includes("self_attn.rotary_emb.inv_freq")) return true;
  if ((modelType === "qwen3_next" || NESTED.has(modelType)) && name.includes("mtp.")) return true;
  return tieWordEmbeddings && modelType !== "qwen2_moe" && /^(language_model\.)?lm_head\.weight$/.test(name);
}

/** `experts.0.up_proj.weight`, `experts.1.…` become `switch_mlp.up_proj.weight` with a first axis of experts. */
function stackExperts(named: Map<string, ModelTensor>, { experts }: SanitizeConfig, place: string): void {
  const layers = new Set(
    [...named.keys()].flatMap((name) => /^(.*\.mlp)\.experts\.0\.up_proj\.weight$/.exec(name)?.[1] ?? []),
  );
  for (const layer of layers) {
    for (const projection of PROJECTIONS) {
      const names = Array.from({ length: experts }, (_, expert) => `${layer}.experts.${expert}.${projection}.weight`);
      const missing = names.filter((name) => !named.has(name));
      if (missing.length > 0)
        throw mismatch(place, `config.json has ${experts} experts, and these are missing`, missing);
      const name = `${layer}.switch_mlp.${projection}.weight`;
      named.set(
        name,
        stack(
          name,
          names.map((from) => named.get(from) as ModelTensor),
          place,
        ),
      );
      for (const from of names) named.delete(from);
    }
  }
}

function stack(name: string, parts: readonly ModelTensor[], place: string): ModelTensor {
  const [first] = parts as [ModelTensor];
  const alike = (part: ModelTensor) =>
    JSON.stringify([part.shape, part.encoding]) === JSON.stringify([first.shape, first.encoding]);
  const other = parts.filter((part) => !alike(part)).map((part) => part.name);
  if (other.length > 0) throw mismatch(place, `these differ in shape or dtype from '${first.name}'`, other);
  return { ...first, name, shape: [parts.length, ...first.shape], rows: parts.flatMap((part) => part.rows) };
}

/** [channels, 1, taps] becomes [channels, taps, 1]: the same bytes. */
function squeezeConvolution(tensor: ModelTensor): ModelTensor {
  const { name, shape } = tensor;
  if (!name.endsWith("conv1d.weight") || shape.length !== 3 || shape[1] !== 1) return tensor;
  const turned = [shape[0] ?? 0, shape[2] ?? 0, 1];
  const rows = tensor.rows.map((part) => ({ ...part, count: rowsOf(turned) }));
  return { ...tensor, shape: turned, rows };
}
