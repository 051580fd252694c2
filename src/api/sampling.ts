/** How the next token is chosen: the options, their defaults and their checks. */
import { randomInt } from "node:crypto";
import type { NativeSampling } from "../native/binding-types.js";
import { checkInteger, checkNumber, invalidOption } from "./options.js";

/** Options of sampling. Penalties look at the last `repetitionContext` tokens of prompt and answer. */
export interface SamplingOptions {
  /** Divides the logits. Default 0: greedy, the likeliest token each time. */
  temperature?: number | undefined;
  /** Keeps the smallest set of tokens whose probabilities add up to this, in (0, 1]. Default 1: off. */
  topP?: number | undefined;
  /** Keeps the K likeliest tokens. Default 0: off. */
  topK?: number | undefined;
  /** Keeps tokens at least this times as likely as the likeliest, in [0, 1]. Default 0: off. */
  minP?: number | undefined;
  /** Divides positive and multiplies negative logits of tokens seen (CTRL, arXiv:1909.05858). Default 1: off. */
  repetitionPenalty?: number | undefined;
  /** How many last tokens the penalties look at. Default 20. */
  repetitionContext?: number | undefined;
  /** Subtracted from the logits of tokens seen, once. In [-2, 2]; default 0: off. */
  presencePenalty?: number | undefined;
  /** Subtracted from the logits of tokens seen, for each time seen. In [-2, 2]; default 0: off. */
  frequencyPenalty?: number | undefined;
  /** Added to logits, by token id. */
  logitBias?: Readonly<Record<number, number>> | undefined;
  /** The same seed gives the same text. An integer from 0 to 2^53 - 1; default: a random one. */
  seed?: number | undefined;
}

export const SAMPLING_OPTIONS = [
  "temperature",
  "topP",
  "topK",
  "minP",
  "repetitionPenalty",
  "repetitionContext",
  "presencePenalty",
  "frequencyPenalty",
  "logitBias",
  "seed",
] as const satisfies readonly (keyof SamplingOptions)[];

/** As OpenAI bounds its penalties: beyond, a text is only noise. */
const MAX_PENALTY = 2;
/** crypto.randomInt's own limit is 2^48. */
const RANDOM_SEEDS = 2 ** 48 - 1;

/** Fills in defaults. @throws PunieError `INVALID_OPTION` */
export function checkSampling(options: Readonly<Record<string, unknown>>, vocabSize: number): NativeSampling {
  const penalty = { min: -MAX_PENALTY, max: MAX_PENALTY };
  const temperature = checkNumber("temperature", options.temperature, 0, { min: 0 });
  return {
    temperature,
    topP: checkNumber("topP", options.topP, 1, { min: 0, max: 1, aboveMin: true }),
    topK: checkInteger("topK", options.topK, 0, { min: 0 }),
    minP: checkNumber("minP", options.minP, 0, { min: 0, max: 1 }),
    repetitionPenalty: checkNumber("repetitionPenalty", options.repetitionPenalty, 1, { min: 0, aboveMin: true }),
    repetitionContext: checkInteger("repetitionContext", options.repetitionContext, 20, { min: 0 }),
    presencePenalty: checkNumber("presencePenalty", options.presencePenalty, 0, penalty),
    frequencyPenalty: checkNumber("frequencyPenalty", options.frequencyPenalty, 0, penalty),
    logitBias: checkLogitBias(options.logitBias, vocabSize),
    seed: checkInteger("seed", options.seed, temperature > 0 ? randomInt(RANDOM_SEEDS) : 0, { min: 0 }),
  };
}

function checkLogitBias(value: unknown, vocabSize: number): [id: number, value: number][] {
  if (value === undefined) return [];
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidOption("logitBias", "an object of token ids and numbers", value);
  }
  return Object.entries(value).map(([key, bias]) => {
    const id = /^\d+$/.test(key) ? Number(key) : Number.NaN;
    if (!(id < vocabSize)) throw invalidOption("logitBias", `token ids from 0 to ${vocabSize - 1}`, key);
    if (typeof bias !== "number" || !Number.isFinite(bias)) throw invalidOption(`logitBias[${key}]`, "a number", bias);
    return [id, bias];
  });
}
