import { z } from "zod";
import { parseWith } from "./schema-error.js";

/** Sampling settings that a model's author recommends. Absent: the author says nothing. */
export interface GenerationDefaults {
  temperature?: number;
  topP?: number;
  topK?: number;
  minP?: number;
  repetitionPenalty?: number;
}

/** Largest generation_config.json that is read. */
export const MAX_GENERATION_CONFIG_BYTES = 1024 * 1024;

const MAX_END_TOKENS = 1024;
const MAX_TOKEN_ID = 2 ** 31 - 1;

const tokenIdMessage = `expected a token id from 0 to ${MAX_TOKEN_ID}, or a list of at most ${MAX_END_TOKENS}`;
const tokenId = z
  .number({ error: tokenIdMessage })
  .int(tokenIdMessage)
  .min(0, tokenIdMessage)
  .max(MAX_TOKEN_ID, tokenIdMessage);
const endToken = z.union([tokenId, z.array(tokenId).max(MAX_END_TOKENS)], { error: tokenIdMessage }).nullish();
const endTokens = z.object(
  { eos_token_id: endToken, text_config: z.object({ eos_token_id: endToken }).nullish() },
  { error: "expected an object" },
);

/**
 * Every id that ends a text: `eos_token_id` of config.json and of generation_config.json, without repeats. Where the
 * text model's settings stand in `text_config`, theirs too.
 */
export function readEosTokenIds(files: readonly { json: unknown; file: string }[]): number[] {
  const ids = files.flatMap(({ json, file }) => {
    if (json === undefined) return [];
    const { eos_token_id: ends, text_config: text } = parseWith(endTokens, json, file);
    return [ends, text?.eos_token_id].flatMap((given) => given ?? []);
  });
  return [...new Set(ids)];
}

function from(min: number, max: number) {
  const message = `expected a number from ${min} to ${max}`;
  return z.number({ error: message }).min(min, message).max(max, message).nullish();
}

const sampling = z.object(
  {
    do_sample: z.boolean({ error: "expected true or false" }).nullish(),
    temperature: from(0, 100),
    top_p: from(0, 1),
    top_k: from(0, MAX_TOKEN_ID),
    min_p: from(0, 1),
    repetition_penalty: from(0, 100),
  },
  { error: "expected an object" },
);

/** The sampling part of generation_config.json; `do_sample: false` is temperature 0. */
export function readGenerationDefaults(json: unknown, file: string): GenerationDefaults {
  if (json === undefined) return {};
  const fields = parseWith(sampling, json, file);
  const temperature = fields.do_sample === false ? 0 : fields.temperature;
  const defaults: GenerationDefaults = {};
  if (temperature != null) defaults.temperature = temperature;
  // 0, as some files have it, would leave no token: they mean none of it.
  if (fields.top_p) defaults.topP = fields.top_p;
  if (fields.top_k != null) defaults.topK = Math.floor(fields.top_k);
  if (fields.min_p != null) defaults.minP = fields.min_p;
  if (fields.repetition_penalty) defaults.repetitionPenalty = fields.repetition_penalty;
  return defaults;
}
