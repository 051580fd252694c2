import { dirname } from "node:path";
import { z } from "zod";
import { PunieError } from "../errors.js";
import type { Quantization } from "../native/binding-types.js";
import { describe, parseWith } from "./schema-error.js";
import { unsupported } from "./unsupported.js";

/** Of the affine mode. */
export const QUANTIZATION_BITS: readonly number[] = [2, 3, 4, 5, 6, 8];
export const QUANTIZATION_GROUP_SIZES: readonly number[] = [32, 64, 128];

/** The modes of small floats, each with the one width and group size that it has. */
export const FLOAT_QUANTIZATIONS: readonly Quantization[] = [
  { mode: "mxfp4", bits: 4, groupSize: 32 },
  { mode: "mxfp8", bits: 8, groupSize: 32 },
  { mode: "nvfp4", bits: 4, groupSize: 16 },
];

/** config.json's quantization: one setting for all layers, and the layers that have their own. */
export interface QuantizationTable {
  defaults: Quantization;
  /** Module path, such as `model.layers.0.self_attn.q_proj`, to its setting; false: not quantized. */
  layers: Record<string, Quantization | false>;
}

const SUPPORTED =
  `MLX's affine with bits ${QUANTIZATION_BITS.join(" ")} and group_size ${QUANTIZATION_GROUP_SIZES.join(" ")}, ` +
  "mxfp4 and mxfp8 with group_size 32, nvfp4 with group_size 16";

/** Methods whose weights are laid out otherwise; `punie convert` makes MLX's layout of them. */
const CONVERTIBLE: readonly unknown[] = ["awq", "gptq"];

/**
 * Reads `quantization`, else `quantization_config`, of config.json. Entries whose value is an object or a boolean are
 * module paths: their own setting, `true` for the default one, `false` for not quantized.
 *
 * @throws PunieError `MODEL_UNSUPPORTED` naming a method, mode, width or group that isn't one of MLX's.
 */
export function readQuantization(config: Record<string, unknown>, file: string): QuantizationTable | undefined {
  const key = config.quantization != null ? "quantization" : "quantization_config";
  const value = config[key];
  if (value == null) return undefined;
  const entries = parseWith(z.object({ [key]: anyObject }), { [key]: value }, file)[key] as Record<string, unknown>;

  const method = entries.quant_method;
  if (key === "quantization_config" && method !== undefined) {
    // Of these two mlx-lm takes the method's name for the mode's.
    const named = FLOAT_QUANTIZATIONS.find(({ mode }) => mode !== "nvfp4" && mode === method);
    if (named !== undefined) return { defaults: named, layers: {} };
    const found = `${key}.quant_method ${describe(method)}`;
    if (!CONVERTIBLE.includes(method)) throw unsupported(file, found, SUPPORTED);
    throw new PunieError(
      "MODEL_UNSUPPORTED",
      `${file}: ${found} is not run as it is. Convert it with: punie convert ${dirname(file)} --output DIRECTORY`,
    );
  }
  const defaults = readSetting(entries, undefined, key, file);
  const layers: [string, Quantization | false][] = [];
  for (const [path, own] of Object.entries(entries)) {
    if (typeof own === "boolean") layers.push([path, own && defaults]);
    else if (typeof own === "object" && own !== null) {
      const place = `${key}[${JSON.stringify(path)}]`;
      layers.push([path, readSetting(own as Record<string, unknown>, AFFINE_DEFAULTS, place, file)]);
    }
  }
  return { defaults, layers: Object.fromEntries(layers) };
}

const anyObject = z.record(z.string(), z.unknown(), { error: "expected an object" });

/** What a layer's row may leave out; the default setting may not. */
const AFFINE_DEFAULTS = { bits: 4, groupSize: 64 };

function readSetting(
  entry: Record<string, unknown>,
  affineDefaults: typeof AFFINE_DEFAULTS | undefined,
  place: string,
  file: string,
): Quantization {
  const mode = entry.mode ?? "affine";
  const float = FLOAT_QUANTIZATIONS.find((one) => one.mode === mode);
  if (float === undefined && mode !== "affine") throw unsupported(file, `${place}.mode ${describe(mode)}`, SUPPORTED);
  const bits = entry.bits ?? float?.bits ?? affineDefaults?.bits;
  const groupSize = entry.group_size ?? float?.groupSize ?? affineDefaults?.groupSize;
  const allowed = float
    ? { bits: [float.bits], groupSizes: [float.groupSize] }
    : { bits: QUANTIZATION_BITS, groupSizes: QUANTIZATION_GROUP_SIZES };
  if (!allowed.bits.includes(bits as number)) throw unsupported(file, `${place}.bits ${describe(bits)}`, SUPPORTED);
  if (!allowed.groupSizes.includes(groupSize as number)) {
    throw unsupported(file, `${place}.group_size ${describe(groupSize)}`, SUPPORTED);
  }
  return float ?? { mode: "affine", bits: bits as number, groupSize: groupSize as number };
}
