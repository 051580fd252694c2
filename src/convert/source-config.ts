/** What a conversion has to know of a source's config.json. */
import { join } from "node:path";
import { z } from "zod";
import { PunieError } from "../errors.js";
import { MAX_CONFIG_BYTES } from "../models/config.js";
import { MAX_GENERATION_CONFIG_BYTES } from "../models/generation-config.js";
import { readJsonFile } from "../models/json-file.js";
import { describe, parseWith } from "../models/schema-error.js";
import { unsupported } from "../models/unsupported.js";
import type { FloatDtype, Quantization } from "../native/binding-types.js";
import { QUANTIZATION_MODES } from "./quantization-choice.js";
import type { SanitizeConfig } from "./sanitize.js";
import { CONVERTED_MODEL_TYPES } from "./tensor-order.js";

export interface SourceConfig extends SanitizeConfig {
  /** config.json as it stands, with generation_config.json's end tokens, which mlx-lm puts there. */
  json: Record<string, unknown>;
  layers: number;
  /** The type that all floats are cast to unless asked otherwise. */
  dtype: FloatDtype | undefined;
  /** MLX's table of quantizations. */
  table: Record<string, unknown> | undefined;
  /** How that table says that a module is packed. */
  packedAs: (path: string) => Quantization | undefined;
}

export const CONVERSION_DTYPES = { float16: "F16", bfloat16: "BF16", float32: "F32" } as const;
export type ConversionDtype = keyof typeof CONVERSION_DTYPES;

/** Names that mlx-lm reads as another's. */
const REMAPPED: Readonly<Record<string, string>> = { mistral: "llama" };
/** Whose output head is the embedding unless config.json says otherwise. */
const TIED_BY_DEFAULT = new Set(["llama", "qwen2"]);
const MAX_LAYERS = 4096;
const MAX_EXPERTS = 4096;

/** @throws PunieError `MODEL_CORRUPT`, `MODEL_UNSUPPORTED` */
export async function readSourceConfig(directory: string): Promise<SourceConfig> {
  const file = join(directory, "config.json");
  const read = await readJsonFile(file, MAX_CONFIG_BYTES);
  if (read === undefined) throw new PunieError("MODEL_CORRUPT", `${file}: the file is missing.`);
  const { model_type: named } = parseWith(z.looseObject({ model_type: z.string() }), read, file);
  const modelType = REMAPPED[named] ?? named;
  if (!CONVERTED_MODEL_TYPES.includes(modelType)) {
    throw unsupported(file, `model_type ${describe(named)}`, CONVERTED_MODEL_TYPES.join(" "));
  }
  const json: Record<string, unknown> = { ...(read as Record<string, unknown>), ...(await endTokens(directory)) };
  const text = (json.text_config ?? json) as Record<string, unknown>;
  const fields = parseWith(textFields, text, file);
  refuseForeign(json, file);
  const table = (json.quantization ?? json.quantization_config ?? undefined) as Record<string, unknown> | undefined;
  return {
    json,
    modelType,
    tieWordEmbeddings: fields.tie_word_embeddings ?? TIED_BY_DEFAULT.has(modelType),
    experts: fields.num_experts ?? 0,
    layers: fields.num_hidden_layers,
    dtype: statedDtype(json, text),
    table,
    packedAs: (path) => packedAs(table ?? {}, path),
  };
}

const textFields = z.looseObject(
  {
    num_hidden_layers: z.number().int().min(1).max(MAX_LAYERS),
    num_experts: z.number().int().min(0).max(MAX_EXPERTS).nullish(),
    tie_word_embeddings: z.boolean().nullish(),
  },
  { error: "expected an object" },
);

async function endTokens(directory: string): Promise<{ eos_token_id?: unknown }> {
  const generation = await readJsonFile(join(directory, "generation_config.json"), MAX_GENERATION_CONFIG_BYTES);
  const ids = (generation as { eos_token_id?: unknown } | null | undefined)?.eos_token_id;
  return ids ? { eos_token_id: ids } : {};
}

/** Weights that another library has packed are none that can be quantized again without loss of meaning. */
function refuseForeign(json: Record<string, unknown>, file: string): void {
  const foreign = json.quantization == null ? (json.quantization_config as Record<string, unknown> | null) : null;
  if (foreign?.quant_method === undefined) return;
  throw unsupported(
    file,
    `quantization_config.quant_method ${describe(foreign.quant_method)}`,
    "weights in bfloat16, float16 or float32, and MLX's own quantizations",
  );
}

/** mlx-lm looks at `torch_dtype`, and at `dtype` only in text_config. */
function statedDtype(json: Record<string, unknown>, text: Record<string, unknown>): FloatDtype | undefined {
  const name = json.torch_dtype ?? (text === json ? undefined : text.dtype);
  return CONVERSION_DTYPES[name as ConversionDtype];
}

const modeFields = z.object({
  mode: z.enum(QUANTIZATION_MODES).nullish(),
  bits: z.number().int().min(1).max(8),
  group_size: z.number().int().min(1).max(1024).nullish(),
});

/** Its own row, in either spelling; else the defaults. */
function packedAs(table: Record<string, unknown>, path: string): Quantization | undefined {
  const own = Object.hasOwn(table, path) ? table[path] : undefined;
  const defaults = modeFields.safeParse(table).data;
  const row = typeof own === "object" ? modeFields.safeParse(own).data : defaults;
  if (row === undefined) return undefined;
  const groupSize = row.group_size ?? defaults?.group_size ?? 64;
  return { mode: row.mode ?? "affine", bits: row.bits, groupSize };
}
