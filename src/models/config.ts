import { z } from "zod";
import type { NativeModelConfig } from "../native/binding-types.js";
import { ARCHITECTURES } from "./architectures/registry.js";
import { type QuantizationTable, readQuantization } from "./quantization-config.js";
import { describe, parseWith } from "./schema-error.js";
import { unsupported } from "./unsupported.js";

/** Largest config.json that is read: real ones, per-layer tables included, stay under 300 KB. */
export const MAX_CONFIG_BYTES = 1024 * 1024;

/** Architectures that the engine has, by config.json's `model_type`. */
export const SUPPORTED_MODEL_TYPES = Object.keys(ARCHITECTURES) as readonly (keyof typeof ARCHITECTURES)[];

export interface ParsedConfig {
  config: NativeModelConfig;
  /** Absent when the weights are not quantized. */
  quantization?: QuantizationTable;
}

/**
 * Reads a parsed config.json into what the engine needs, with the defaults of mlx-lm's file for the `model_type`.
 *
 * @param file The file's path, for messages.
 * @throws PunieError `MODEL_UNSUPPORTED` naming the feature, `MODEL_CORRUPT` naming file and JSON path.
 */
export function parseConfig(json: unknown, file: string): ParsedConfig {
  const fields = parseWith(anyConfig, json, file);
  const modelType = SUPPORTED_MODEL_TYPES.find((type) => type === fields.model_type);
  if (modelType === undefined) {
    throw unsupported(file, `model_type ${describe(fields.model_type)}`, SUPPORTED_MODEL_TYPES.join(", "));
  }
  const act = fields.hidden_act;
  if (act && act !== "silu" && act !== "swish") throw unsupported(file, `hidden_act ${describe(act)}`, "silu");
  const config = ARCHITECTURES[modelType](json, file);
  const quantization = readQuantization(json as Record<string, unknown>, file);
  return quantization === undefined ? { config } : { config, quantization };
}

const anyConfig = z.object(
  {
    model_type: z.string({ error: "expected a name" }),
    hidden_act: z.string({ error: "expected a name" }).nullish(),
  },
  { error: "expected an object" },
);
