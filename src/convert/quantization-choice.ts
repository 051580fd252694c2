/** Which module is quantized how: mlx-lm's rules and its mixed recipes. */
import { PunieError } from "../errors.js";
import { QUANTIZATION_BITS, QUANTIZATION_GROUP_SIZES } from "../models/quantization-config.js";
import type { Quantization, QuantizationMode } from "../native/binding-types.js";
import { type ModelTensor, memberOf, moduleOf } from "./model-tensor.js";

export type { Quantization, QuantizationMode };
export const QUANTIZATION_MODES = ["affine", "mxfp4", "mxfp8", "nvfp4"] as const;
export const MIXED_RECIPES = ["mixed_2_6", "mixed_3_4", "mixed_3_6", "mixed_4_6"] as const;
export type MixedRecipe = (typeof MIXED_RECIPES)[number];

export interface QuantizationOptions {
  mode?: QuantizationMode | undefined;
  bits?: number | undefined;
  groupSize?: number | undefined;
  mixed?: MixedRecipe | undefined;
}

/** What every module gets that has no row of its own. */
const DEFAULTS: Record<QuantizationMode, Quantization> = {
  affine: { mode: "affine", bits: 4, groupSize: 64 },
  mxfp4: { mode: "mxfp4", bits: 4, groupSize: 32 },
  mxfp8: { mode: "mxfp8", bits: 8, groupSize: 32 },
  nvfp4: { mode: "nvfp4", bits: 4, groupSize: 16 },
};

/** Low and high bits of a recipe. */
const RECIPES: Record<MixedRecipe, [low: number, high: number]> = {
  mixed_2_6: [2, 6],
  mixed_3_4: [3, 4],
  mixed_3_6: [3, 6],
  mixed_4_6: [4, 6],
};

/** How one module is quantized, and what config.json says of it; undefined `row`: nothing, the defaults hold. */
export interface ModuleQuantization {
  quantization: Quantization;
  row?: Record<string, unknown>;
}

export interface QuantizationChoice {
  defaults: Quantization;
  /** Of a module that can be quantized at all; undefined leaves it as it is. */
  of(path: string, columns: number): ModuleQuantization | undefined;
}

/**
 * @returns undefined when no option asks for quantization.
 * @throws PunieError `INVALID_OPTION` for widths and groups that a mode hasn't.
 */
export function chooseQuantization(
  options: QuantizationOptions,
  modelType: string,
  layers: number,
): QuantizationChoice | undefined {
  const { mixed } = options;
  if (Object.values({ ...pick(options) }).every((value) => value === undefined)) return undefined;
  const defaults = completeQuantization(options);
  const special = mixed ? mixedRows(mixed, options.groupSize, layers) : routerRows(modelType);
  return {
    defaults,
    of: (path, columns) => {
      // mlx-lm asks this of the default group, whatever group a row has.
      if (columns % defaults.groupSize !== 0) return undefined;
      return special(path) ?? { quantization: defaults };
    },
  };
}

/**
 * A mode with the width and the group that were asked for, or else its usual ones.
 * @throws PunieError `INVALID_OPTION` for those that it hasn't.
 */
export function completeQuantization(options: QuantizationOptions): Quantization {
  const { mode = "affine" } = options;
  const usual = DEFAULTS[mode];
  const complete = { mode, bits: options.bits ?? usual.bits, groupSize: options.groupSize ?? usual.groupSize };
  checkMode(complete, options);
  return complete;
}

function pick({ mode, bits, groupSize, mixed }: QuantizationOptions) {
  return { mode, bits, groupSize, mixed };
}

function checkMode({ mode, bits, groupSize }: Quantization, { mixed }: QuantizationOptions): void {
  const affine = mode === "affine";
  if (mixed !== undefined && !affine) throw invalid("mixed", "used with the mode affine", mode);
  const widths = affine ? QUANTIZATION_BITS : [DEFAULTS[mode].bits];
  const groups = affine ? QUANTIZATION_GROUP_SIZES : [DEFAULTS[mode].groupSize];
  if (!widths.includes(bits)) throw invalid("bits", `${widths.join(" ")} for ${mode}`, bits);
  if (!groups.includes(groupSize)) throw invalid("groupSize", `${groups.join(" ")} for ${mode}`, groupSize);
}

function invalid(name: string, expected: string, found: unknown): PunieError {
  return new PunieError("INVALID_OPTION", `${name}: expected ${expected}; found ${JSON.stringify(found)}.`);
}

/** The routers of mixtures of experts, whose choice should not suffer, have 8 bits. */
function routerRows(modelType: string): (path: string) => ModuleQuantization | undefined {
  const router: ModuleQuantization = {
    quantization: { mode: "affine", bits: 8, groupSize: 64 },
    row: { group_size: 64, bits: 8 },
  };
  if (modelType === "qwen3_moe") return (path) => (path.endsWith("mlp.gate") ? router : undefined);
  if (["qwen3_next", "qwen3_5", "qwen3_5_moe"].includes(modelType)) {
    return (path) => (path.endsWith("mlp.gate") || path.endsWith("shared_expert_gate") ? router : undefined);
  }
  return () => undefined;
}

/** More bits for the first and last eighth of the layers, and every third between, in what suffers most. */
function mixedRows(recipe: MixedRecipe, groupSize: number | undefined, layers: number) {
  const [low, high] = RECIPES[recipe];
  const eighth = Math.floor(layers / 8);
  return (path: string): ModuleQuantization => {
    const index = Number(/\.layers\.(\d+)\./.exec(path)?.[1] ?? 0);
    const favoured = index < eighth || index >= Math.floor((7 * layers) / 8) || (index - eighth) % 3 === 2;
    const sensitive = path.includes("v_proj") || path.includes("down_proj");
    const bits = (favoured && sensitive) || path.includes("lm_head") ? high : low;
    return {
      quantization: { mode: "affine", bits, groupSize: groupSize ?? DEFAULTS.affine.groupSize },
      // mlx-lm writes what it was given: null where no group size was.
      row: { group_size: groupSize ?? null, bits, mode: "affine" },
    };
  };
}

/** Layers with matrices: linear layers, embeddings and stacked experts, but no convolution. */
export function isQuantizable({ name, shape }: ModelTensor): boolean {
  return memberOf(name) === "weight" && shape.length >= 2 && !moduleOf(name).endsWith("conv1d");
}
