/** The flags that decide how an answer is sampled, in the order the guide lists them. */
import { type Command, InvalidArgumentError } from "commander";
import type { SamplingOptions } from "../api/sampling.js";
import { decimal, integer, positiveInteger } from "./numbers.js";

/** Flags that were not given are absent: the API's defaults, or the model's own, fill them in. */
export interface SamplingFlags {
  maxTokens?: number;
  temperature?: number;
  topP?: number;
  topK?: number;
  minP?: number;
  repetitionPenalty?: number;
  repetitionContext?: number;
  presencePenalty?: number;
  frequencyPenalty?: number;
  logitBias?: Record<number, number>;
  seed?: number;
  stop?: string[];
}

export function addSamplingOptions(command: Command): Command {
  return command
    .option("--max-tokens <n>", "most tokens of the answer (default: 2048)", positiveInteger)
    .option("--temperature <t>", "0 takes the likeliest token each time (default: 0)", decimal)
    .option("--top-p <p>", "keep the likeliest tokens up to this share of probability", decimal)
    .option("--top-k <k>", "keep the k likeliest tokens", integer)
    .option("--min-p <p>", "keep tokens at least this times as likely as the likeliest", decimal)
    .option("--repetition-penalty <x>", "above 1, makes recent tokens less likely", decimal)
    .option("--repetition-context <n>", "how many last tokens penalties look at (default: 20)", integer)
    .option("--presence-penalty <x>", "lowers tokens that were seen, once", decimal)
    .option("--frequency-penalty <x>", "lowers tokens that were seen, for each time", decimal)
    .option("--logit-bias <id=value>", "adds to a token's logit; may be repeated", logitBias)
    .option("--seed <n>", "the same seed gives the same text", integer)
    .option("--stop <text>", "end before this text; may be repeated", repeated);
}

/** The flags as a request's options. */
export function samplingOptions(flags: SamplingFlags): SamplingOptions & { maxTokens?: number; stop?: string[] } {
  const { maxTokens, temperature, topP, topK, minP, repetitionPenalty, repetitionContext } = flags;
  const { presencePenalty, frequencyPenalty, logitBias: bias, seed, stop } = flags;
  const given = {
    maxTokens,
    temperature,
    topP,
    topK,
    minP,
    repetitionPenalty,
    repetitionContext,
    presencePenalty,
    frequencyPenalty,
    logitBias: bias,
    seed,
    stop,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function logitBias(text: string, before: Record<number, number> = {}): Record<number, number> {
  const [id, value, ...rest] = text.split("=");
  if (id === undefined || value === undefined || rest.length > 0 || !/^\d+$/.test(id)) {
    throw new InvalidArgumentError("Expected a token id and a number, such as 42=-1.5.");
  }
  return { ...before, [Number(id)]: decimal(value) };
}

function repeated(text: string, before: string[] = []): string[] {
  return [...before, text];
}
