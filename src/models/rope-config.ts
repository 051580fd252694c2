import { z } from "zod";
import { PunieError } from "../errors.js";
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
type Rope = Pick<NativeModelConfig, "ropeTheta" | "ropeDimensions" | "ropeTraditional" | "ropeScaling">;

/** What the architecture says of its rotary embedding where config.json says nothing. */
export interface RopeDefaults {
  theta: number;
  /** Dimensions of a head that rotate. */
  dimensions: number;
}

/**
 * Rotary embedding as mlx-lm's `initialize_rope` reads it: default (and mrope, which is the default for text), linear,
 * dynamic, llama3 and yarn.
 *
 * @throws PunieError `MODEL_UNSUPPORTED` for another type, `MODEL_CORRUPT` for values out of range.
 */
export function readRope(fields: RopeFields, defaults: RopeDefaults, file: string): Rope {
  const key = fields.rope_scaling ? "rope_scaling" : "rope_parameters";
  const parameters = fields[key] ?? {};
  const theta = parseWith(z.object({ rope_parameters: thetaFields.optional() }), pick(fields.rope_parameters), file);
  const ropeTheta = fields.rope_theta ?? theta.rope_parameters?.rope_theta ?? defaults.theta;
  const scaling = readScaling(parameters, key, file);
  if (defaults.dimensions < 2 || defaults.dimensions % 2 !== 0) {
    throw new PunieError(
      "MODEL_CORRUPT",
      `${file}: partial_rotary_factor: expected an even number of dimensions, at least 2; found ${defaults.dimensions}.`,
    );
  }
  return {
    ropeTheta,
    ropeDimensions: defaults.dimensions,
    ropeTraditional: fields.rope_traditional ?? false,
    ...(scaling && { ropeScaling: scaling }),
  };
}

const thetaFields = z.object({ rope_theta: positive(MAX_ROPE_THETA).nullish() });

const linearFields = z.object({ factor: positive(MAX_ROPE_FACTOR) });

const llama3Fields = linearFields.extend({
  low_freq_factor: positive(MAX_ROPE_FACTOR).default(1),
  high_freq_factor: positive(MAX_ROPE_FACTOR).default(4),
  original_max_position_embeddings: positive(MAX_ROPE_THETA).default(8192),
});

const magnitude = z
  .number({ error: "expected a number" })
  .min(0, "expected 0 or more")
  .max(MAX_ROPE_FACTOR, `expected at most ${MAX_ROPE_FACTOR}`);

const yarnFields = linearFields.extend({
  original_max_position_embeddings: positive(MAX_ROPE_THETA).default(4096),
  beta_fast: positive(MAX_ROPE_FACTOR).default(32),
  beta_slow: positive(MAX_ROPE_FACTOR).default(1),
  mscale: magnitude.default(1),
  mscale_all_dim: magnitude.default(0),
});

function readScaling(parameters: Record<string, unknown>, key: string, file: string): RopeScaling | undefined {
  const type: unknown = parameters.type || parameters.rope_type || "default";
  const read = <Schema extends z.ZodType>(schema: Schema) =>
    parseWith(z.object({ [key]: schema }), { [key]: parameters }, file)[key] as z.output<Schema>;
  switch (type) {
    case "default":
    case "mrope":
      refusePerLayerType(parameters, key, file);
      return undefined;
    case "linear":
    case "dynamic":
      return { type, factor: read(linearFields).factor };
    case "llama3": {
      const fields = read(llama3Fields);
      return {
        type: "llama3",
        factor: fields.factor,
        lowFreqFactor: fields.low_freq_factor,
        highFreqFactor: fields.high_freq_factor,
        originalMaxPositionEmbeddings: fields.original_max_position_embeddings,
      };
    }
    case "yarn": {
      const fields = read(yarnFields);
      return {
        type: "yarn",
        factor: fields.factor,
        originalMaxPositionEmbeddings: fields.original_max_position_embeddings,
        betaFast: fields.beta_fast,
        betaSlow: fields.beta_slow,
        mscale: fields.mscale,
        mscaleAllDim: fields.mscale_all_dim,
      };
    }
    default:
      throw unsupported(file, `${key}.type ${describe(type)}`, "default, linear, dynamic, llama3 and yarn");
  }
}

/** transformers 5 may nest one object per layer type: no architecture here has need of it. */
function refusePerLayerType(parameters: Record<string, unknown>, key: string, file: string): void {
  const nested = Object.keys(parameters).find((name) => name.endsWith("_attention"));
  if (nested !== undefined) throw unsupported(file, `${key}.${nested}`, "one set of parameters for all layers");
}

function pick(parameters: unknown): object {
  return parameters ? { rope_parameters: parameters } : {};
}
