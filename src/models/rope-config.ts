import { z } from "zod";
import type { NativeModelConfig, RopeScaling } from "../native/binding-types.js";
import { describe, parseWith } from "./schema-error.js";
import { unsupported } from "./unsupported.js";

const MAX_ROPE_THETA = 1e12;
const MAX_ROPE_FACTOR = 1e4;

function positive(max: number) {
  const message = `expected a number above 0 and at most ${max}`;
  return z.number({ error: message }).gt(0, message).max(max, message);
}

const anyObject = z.record(z.string(), z.unknown(), { error: "expected an object" });

/**
 * The keys of config.json about rotary embeddings. transformers 5 writes one object, `rope_parameters`; before it there
 * were `rope_theta` and `rope_scaling`, which win where both stand.
 */
export const ropeFields = {
  rope_theta: positive(MAX_ROPE_THETA).nullish(),
  rope_traditional: z.boolean({ error: "expected true or false" }).nullish(),
  rope_scaling: anyObject.nullish(),
  rope_parameters: anyObject.nullish(),
};

type RopeFields = z.output<z.ZodObject<typeof ropeFields>>;
type Rope = Pick<NativeModelConfig, "ropeTheta" | "ropeTraditional" | "ropeScaling">;

/**
 * Rotary embedding as mlx-lm's `initialize_rope` reads it: default, linear and llama3.
 *
 * @throws PunieError `MODEL_UNSUPPORTED` for another type, `MODEL_CORRUPT` for values out of range.
 */
export function readRope(fields: RopeFields, defaultTheta: number, file: string): Rope {
  const key = fields.rope_scaling ? "rope_scaling" : "rope_parameters";
  const parameters = fields[key] ?? {};
  const theta = parseWith(z.object({ rope_parameters: thetaFields.optional() }), pick(fields.rope_parameters), file);
  const ropeTheta = fields.rope_theta ?? theta.rope_parameters?.rope_theta ?? defaultTheta;
  const scaling = readScaling(parameters, key, file);
  return { ropeTheta, ropeTraditional: fields.rope_traditional ?? false, ...(scaling && { ropeScaling: scaling }) };
}

const thetaFields = z.object({ rope_theta: positive(MAX_ROPE_THETA).nullish() });

const linearFields = z.object({ factor: positive(MAX_ROPE_FACTOR) });

const llama3Fields = linearFields.extend({
  low_freq_factor: positive(MAX_ROPE_FACTOR).default(1),
  high_freq_factor: positive(MAX_ROPE_FACTOR).default(4),
  original_max_position_embeddings: positive(MAX_ROPE_THETA).default(8192),
});

function readScaling(parameters: Record<string, unknown>, key: string, file: string): RopeScaling | undefined {
  const type = parameters.type || parameters.rope_type || "default";
  const wrap = { [key]: parameters };
  switch (type) {
    case "default":
      refusePerLayerType(parameters, key, file);
      return undefined;
    case "linear": {
      const fields = parseWith(z.object({ [key]: linearFields }), wrap, file)[key] as z.output<typeof linearFields>;
      return { type: "linear", factor: fields.factor };
    }
    case "llama3": {
      const fields = parseWith(z.object({ [key]: llama3Fields }), wrap, file)[key] as z.output<typeof llama3Fields>;
      return {
        type: "llama3",
        factor: fields.factor,
        lowFreqFactor: fields.low_freq_factor,
        highFreqFactor: fields.high_freq_factor,
        originalMaxPositionEmbeddings: fields.original_max_position_embeddings,
      };
    }
    default:
      throw unsupported(file, `${key}.type ${describe(type)}`, "default, linear and llama3");
  }
}

/** transformers 5 may nest one object per layer type: only models with sliding attention have need of it. */
function refusePerLayerType(parameters: Record<string, unknown>, key: string, file: string): void {
  const nested = Object.keys(parameters).find((name) => name.endsWith("_attention"));
  if (nested !== undefined) throw unsupported(file, `${key}.${nested}`, "one set of parameters for all layers");
}

function pick(parameters: unknown): object {
  return parameters ? { rope_parameters: parameters } : {};
}
