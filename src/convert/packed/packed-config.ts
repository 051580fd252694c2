/** What config.json says of a checkpoint that AutoAWQ or a GPTQ library has packed. */
import { z } from "zod";
import { describe, parseWith } from "../../models/schema-error.js";
import { unsupported } from "../../models/unsupported.js";

export interface PackedConfig {
  method: "awq" | "gptq";
  bits: number;
  /** Inputs that share a scale; -1: all of them. */
  groupSize: number;
  /** What is added to a stored zero point: the first form of GPTQ's files has each less one. */
  zeroOffset: 0 | 1;
}

const fields = z.looseObject(
  {
    quant_method: z.enum(["awq", "gptq"], { error: "expected awq or gptq" }),
    bits: z.number({ error: "expected a number" }),
    group_size: z.number({ error: "expected a number" }).int(),
    version: z.string().nullish(),
    checkpoint_format: z.string().nullish(),
    dynamic: z.record(z.string(), z.unknown()).nullish(),
  },
  { error: "expected an object" },
);

/** @throws PunieError `MODEL_CORRUPT`, or `MODEL_UNSUPPORTED` for a layout or width that isn't known. */
export function readPackedConfig(config: Record<string, unknown>, file: string): PackedConfig {
  const key = "quantization_config";
  const read = parseWith(z.object({ [key]: fields }), { [key]: config[key] }, file)[key] as z.output<typeof fields>;
  const { quant_method: method, bits, group_size: groupSize } = read;
  const widths = method === "awq" ? [4] : [2, 4, 8];
  if (!widths.includes(bits)) throw unsupported(file, `${key}.bits ${describe(bits)}`, widths.join(" "));
  if (groupSize !== -1 && (groupSize < 32 || groupSize % 32 !== 0)) {
    throw unsupported(file, `${key}.group_size ${groupSize}`, "-1 and multiples of 32");
  }
  const layout = (method === "awq" ? read.version : read.checkpoint_format)?.toLowerCase();
  const layouts = method === "awq" ? ["gemm"] : ["gptq", "gptq_v2"];
  if (layout !== undefined && !layouts.includes(layout)) {
    const name = method === "awq" ? "version" : "checkpoint_format";
    throw unsupported(file, `${key}.${name} ${describe(layout)}`, layouts.join(" "));
  }
  if (read.dynamic && Object.keys(read.dynamic).length > 0) {
    throw unsupported(file, `${key}.dynamic`, "one width and group size for all layers");
  }
  return { method, bits, groupSize, zeroOffset: method === "gptq" && layout !== "gptq_v2" ? 1 : 0 };
}
