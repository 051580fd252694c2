import { z } from "zod";
import type { AffineQuantization } from "../native/binding-types.js";
import { describe, parseWith } from "./schema-error.js";
import { unsupported } from "./unsupported.js";

export const QUANTIZATION_BITS: readonly number[] = [2, 3, 4, 5, 6, 8];
export const QUANTIZATION_GROUP_SIZES: readonly number[] = [32, 64, 128];

/** config.json's quantization: one setting for all layers, and the layers that have their own. */
export interface QuantizationTable {
  defaults: AffineQuantization;
  /** Module path, such as `model.layers.0.self_attn.q_proj`, to its setting. */
  layers: Record<string, AffineQuantization>;
}

const SUPPORTED = `MLX affine with bits ${QUANTIZATION_BITS.join(" ")} and group_size ${QUANTIZATION_GROUP_SIZES.join(" ")}`;

/**
 * Reads `quantization`, else `quantization_config`, of config.json. Entries whose value is an object or a boolean are
 * module paths: their own setting, `true` for the default one, `false` for not quantized.
 *
 * @throws PunieError `MODEL_UNSUPPORTED` naming a method, mode, width or group that isn't MLX affine.
 */
export function readQuantization(config: Record<string, unknown>, file: string): QuantizationTable | undefined {
  const key = config.quantization != null ? "quantization" : "quantization_config";
  const value = config[key];
  if (value == null) return undefined;
  const entries = parseWith(z.object({ [key]: anyObject }), { [key]: value }, file)[key] as Record<string, unknown>;

  const method = entries.quant_method;
  if (key === "quantization_config" && method !== undefined) {
    throw unsupported(file, `${key}.quant_method ${describe(method)}`, SUPPORTED);
  }
  const defaults = readAffine(entries, {}, key, file);
  const layers: [string, AffineQuantization][] = [];
  for (const [path, own] of Object.entries(entries)) {
    if (own === true) layers.push([path, defaults]);
    else if (typeof own === "object" && own !== null) {
      layers.push([
        path,
        readAffine(own as Record<string, unknown>, defaults, `${key}[${JSON.stringify(path)}]`, file),
      ]);
    }
  }
  return { defaults, layers: Object.fromEntries(layers) };
}

const anyObject = z.record(z.string(), z.unknown(), { error: "expected an object" });

function readAffine(
  entry: Record<string, unknown>,
  defaults: Partial<AffineQuantization>,
  place: string,
  file: string,
): AffineQuantization {
  const mode = entry.mode ?? "affine";
  if (mode !== "affine") throw unsupported(file, `${place}.mode ${describe(mode)}`, SUPPORTED);
  const bits = entry.bits ?? defaults.bits;
  const groupSize = entry.group_size ?? defaults.groupSize;
  if (!QUANTIZATION_BITS.includes(bits as number))
    throw unsupported(file, `${place}.bits ${describe(bits)}`, SUPPORTED);
  if (!QUANTIZATION_GROUP_SIZES.includes(groupSize as number)) {
    throw unsupported(file, `${place}.group_size ${describe(groupSize)}`, SUPPORTED);
  }
  return { mode: "affine", bits: bits as number, groupSize: groupSize as number };
}
