/** The flags that decide how an answer is sampled, in the order the guide lists them. */
import { type Command, InvalidArgumentError } from "commander";
import type { RequestOptions } from "../api/request.js";
import { SAMPLING_OPTIONS } from "../api/sampling.js";
import { PunieError } from "../errors.js";
import { withFlagName } from "./flag-names.js";
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

/** @param unset What `--temperature` and `--repetition-context` are where they aren't given, but for their number. */
export function addSamplingOptions(command: Command, unset = ""): Command {
  return command
    .option("--max-tokens <n>", "most tokens of the answer (default: 2048)", positiveInteger)
    .option("--temperature <t>", `0 takes the likeliest token each time (default: ${unset}0)`, decimal)
    .option("--top-p <p>", "keep the likeliest tokens up to this share of probability", decimal)
    .option("--top-k <k>", "keep the k likeliest tokens", integer)
    .option("--min-p <p>", "keep tokens at least this times as likely as the likeliest", decimal)
    .option("--repetition-penalty <x>", "above 1, makes recent tokens less likely", decimal)
    .option("--repetition-context <n>", `how many last tokens penalties look at (default: ${unset}20)`, integer)
    .option("--presence-penalty <x>", "lowers tokens that were seen, once", decimal)
    .option("--frequency-penalty <x>", "lowers tokens that were seen, for each time", decimal)
    .option("--logit-bias <id=value>", "adds to a token's logit; may be repeated", logitBias)
    .option("--seed <n>", "the same seed gives the same text", integer)
    .option("--stop <text>", "end before this text; may be repeated", repeated);
}

const NAMES = [...SAMPLING_OPTIONS, "maxTokens", "stop"] as const satisfies readonly (keyof SamplingFlags)[];

/** The flags that were given as a request's options. One out of its range is a mistake told at once, before loading. */
export async function samplingOptions(flags: SamplingFlags, command: Command): Promise<RequestOptions> {
  const given: RequestOptions = Object.fromEntries(
    NAMES.filter((name) => flags[name] !== undefined).map((name) => [name, flags[name]]),
  );
  const { checkRequest } = await import("../api/request.js");
  try {
    // A prompt that is surely right, and ids that the model is to judge: only the flags can be wrong here.
    checkRequest({ ...given, prompt: [0] }, Number.MAX_SAFE_INTEGER);
  } catch (error) {
    if (error instanceof PunieError) command.error(`error: ${(withFlagName(error) as PunieError).message}`);
    throw error;
  }
  return given;
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
