/** adapter_config.json, as mlx-lm and as PEFT write it. */
import { z } from "zod";
import { describe, parseWith } from "./schema-error.js";
import { unsupported } from "./unsupported.js";

/** Which program wrote an adapter, and so how its tensors are named and lie. */
export type AdapterFormat = "mlx-lm" | "peft";

export interface AdapterConfig {
  format: AdapterFormat;
  /** True: with a magnitude for each output (arXiv:2402.09353). */
  dora: boolean;
  /** Of a layer, by its module path. */
  rankOf: (path: string) => number;
  /** What a layer's product `(x A) B` is multiplied by. */
  scaleOf: (path: string) => number;
}

const MAX_RANK = 65_536;
const rank = "expected a whole number above 0";
const number = "expected a number";

const mlxFields = z.object({
  fine_tune_type: z.string({ error: "expected a name" }).nullish(),
  lora_parameters: z.object(
    {
      rank: z.number({ error: rank }).int(rank).min(1, rank).max(MAX_RANK, rank),
      scale: z.number({ error: `${number}: mlx-lm's adapters have a scale, not an alpha` }),
    },
    { error: "expected an object" },
  ),
});

const patterns = (value: z.ZodNumber) => z.record(z.string(), value, { error: "expected an object" }).nullish();
const flag = z.boolean({ error: "expected true or false" }).nullish();
const rankField = z.number({ error: rank }).int(rank).min(1, rank).max(MAX_RANK, rank);
const alphaField = z.number({ error: number });

const peftFields = z.object({
  peft_type: z.string({ error: "expected a name" }),
  r: rankField,
  lora_alpha: alphaField,
  use_rslora: flag,
  use_dora: flag,
  fan_in_fan_out: flag,
  lora_bias: flag,
  bias: z.string({ error: "expected a name" }).nullish(),
  rank_pattern: patterns(rankField),
  alpha_pattern: patterns(alphaField),
  modules_to_save: z.array(z.string(), { error: "expected a list of names" }).nullish(),
  init_lora_weights: z.unknown().optional(),
});

/** Ways to begin that change the base model, so that the adapter alone is not what was trained. */
const CHANGES_BASE = /^(pissa|olora|corda|loftq|lora_ga)/i;

/**
 * @param file The file's path, for messages.
 * @throws PunieError `MODEL_CORRUPT` naming the JSON path; `MODEL_UNSUPPORTED` naming what can't be run.
 */
export function parseAdapterConfig(json: unknown, file: string): AdapterConfig {
  const top = parseWith(z.record(z.string(), z.unknown(), { error: "expected an object" }), json, file);
  return top.peft_type === undefined ? parseMlx(json, file) : parsePeft(json, file);
}

function parseMlx(json: unknown, file: string): AdapterConfig {
  const type = (json as Record<string, unknown>).fine_tune_type ?? "lora";
  if (type !== "lora" && type !== "dora") throw unsupported(file, `fine_tune_type ${describe(type)}`, "lora and dora");
  const { lora_parameters: parameters } = parseWith(mlxFields, json, file);
  const { rank, scale } = parameters;
  return { format: "mlx-lm", dora: type === "dora", rankOf: () => rank, scaleOf: () => scale };
}

function parsePeft(json: unknown, file: string): AdapterConfig {
  const fields = parseWith(peftFields, json, file);
  const { peft_type: type, bias, modules_to_save: saved, init_lora_weights: init } = fields;
  if (type !== "LORA") throw unsupported(file, `peft_type ${describe(type)}`, "LORA");
  if (fields.fan_in_fan_out) throw unsupported(file, "fan_in_fan_out true", "false");
  if (fields.lora_bias || (bias != null && bias !== "none")) throw unsupported(file, "a trained bias", "bias none");
  if (saved?.length) throw unsupported(file, `modules_to_save with ${describe(saved[0])}`, "low-rank layers alone");
  if (typeof init === "string" && CHANGES_BASE.test(init)) {
    throw unsupported(file, `init_lora_weights ${describe(init)}, which changes the base model`, "plain LoRA");
  }
  const ranks = matcher(fields.rank_pattern ?? {}, fields.r, "rank_pattern", file);
  const alphas = matcher(fields.alpha_pattern ?? {}, fields.lora_alpha, "alpha_pattern", file);
  const divisor = (rank: number) => (fields.use_rslora ? Math.sqrt(rank) : rank);
  return {
    format: "peft",
    dora: fields.use_dora ?? false,
    rankOf: ranks,
    scaleOf: (path) => alphas(path) / divisor(ranks(path)),
  };
}

/**
 * What a pattern gives for a module path: the first key that is the path or its end, after a dot. PEFT takes keys for
 * regular expressions; a stranger's are not run, and no program writes any but names.
 */
function matcher(
  patterns: Record<string, number>,
  fallback: number,
  field: string,
  file: string,
): (path: string) => number {
  const rows = Object.entries(patterns).map(([key, value]) => {
    const whole = key.startsWith("^");
    const name = key.slice(whole ? 1 : 0);
    if (!/^[\w.-]+$/.test(name)) throw unsupported(file, `${field} with ${describe(key)}`, "names of modules");
    return { name, whole, value };
  });
  return (path) => {
    const row = rows.find(({ name, whole }) => path === name || (!whole && path.endsWith(`.${name}`)));
    return row?.value ?? fallback;
  };
}
