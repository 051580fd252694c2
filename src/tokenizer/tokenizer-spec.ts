/** What tokenizer.json and tokenizer_config.json say, checked as far as the library and the decoder lean on it. */
import { join } from "node:path";
import { z } from "zod";
import { PunieError } from "../errors.js";
import { issueText } from "../issue-text.js";
import { readJsonObject } from "../models/json-file.js";
import {
  type Component,
  decoder,
  flag,
  normalizer,
  optionalText,
  postProcessor,
  preTokenizer,
} from "./component-spec.js";

/** Real ones have up to 20 MiB (Gemma 3). */
const MAX_TOKENIZER_BYTES = 64 * 2 ** 20;
const MAX_CONFIG_BYTES = 16 * 2 ** 20;
/** Real vocabularies have up to 300,000 tokens; a table of this many is still small. */
export const MAX_VOCAB_SIZE = 2 ** 21;

/** Ids by token. */
type Vocab = Record<string, number>;
type Merges = (string | [string, string])[];

const id = z
  .int()
  .min(0)
  .max(MAX_VOCAB_SIZE - 1);

const addedToken = z.looseObject({
  id,
  content: z.string().min(1),
  special: z.boolean().default(false),
  single_word: flag,
  lstrip: flag,
  rstrip: flag,
  normalized: flag,
});

const tokenizerJson: z.ZodType<TokenizerJson> = z.looseObject({
  model: z.looseObject({
    type: z.string().default("BPE"),
    unk_token: optionalText,
    end_of_word_suffix: optionalText,
    continuing_subword_suffix: optionalText,
    byte_fallback: flag,
    fuse_unk: flag,
    ignore_merges: flag,
    // Hundreds of thousands of entries: checked by hand below, which is fast.
    vocab: z.custom<Vocab>(isVocab, "expected token ids below 2^21 by token text"),
    merges: z.custom<Merges>(isMerges, "expected pairs of tokens"),
  }),
  added_tokens: z
    .array(addedToken)
    .nullish()
    .transform((tokens) => tokens ?? []),
  normalizer,
  pre_tokenizer: preTokenizer,
  post_processor: postProcessor,
  decoder,
});

function isVocab(value: unknown): value is Vocab {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((id) => Number.isInteger(id) && id >= 0 && id < MAX_VOCAB_SIZE);
}

function isMerges(value: unknown): value is Merges {
  if (!Array.isArray(value)) return false;
  // A file has one form or the other throughout.
  if (typeof value[0] === "string") return value.every((merge) => typeof merge === "string");
  return value.every(
    (merge) => Array.isArray(merge) && merge.length === 2 && merge.every((x) => typeof x === "string"),
  );
}

/** tokenizer.json, and the tokens that only tokenizer_config.json names. */
export interface TokenizerJson {
  model: { type: string; vocab: Vocab; merges: Merges; [key: string]: unknown };
  added_tokens: { id: number; content: string; special: boolean; [key: string]: unknown }[];
  normalizer: Component | null;
  pre_tokenizer: Component | null;
  post_processor: Component | null;
  decoder: Component | null;
  [key: string]: unknown;
}

const addedTokensDecoder = z.record(z.string(), z.looseObject({ content: z.string().min(1) })).optional();

/**
 * Reads and checks both files. Throws `MODEL_CORRUPT` naming the file, the path inside it, and what was
 * expected; `MODEL_UNSUPPORTED` for a model other than BPE, which all served families use.
 */
export async function readTokenizerSpec(directory: string): Promise<TokenizerJson> {
  const json = await readJsonObject(join(directory, "tokenizer.json"), MAX_TOKENIZER_BYTES);
  if (!json) {
    throw new PunieError("MODEL_CORRUPT", `tokenizer.json is missing in ${directory}; text in or out needs it.`);
  }
  const kind = (json.model as { type?: unknown } | undefined | null)?.type ?? "BPE";
  if (kind !== "BPE") {
    throw new PunieError(
      "MODEL_UNSUPPORTED",
      `tokenizer.json in ${directory}: model ${kind} is not supported; BPE is.`,
    );
  }
  const parsed = tokenizerJson.safeParse(json);
  if (!parsed.success) {
    throw new PunieError("MODEL_CORRUPT", `tokenizer.json in ${directory}: ${firstIssue(parsed.error)}`);
  }
  return withConfiguredTokens(parsed.data, directory);
}

/** Tokens that only tokenizer_config.json names are added tokens too, as in transformers. */
async function withConfiguredTokens(spec: TokenizerJson, directory: string): Promise<TokenizerJson> {
  const config = await readJsonObject(join(directory, "tokenizer_config.json"), MAX_CONFIG_BYTES);
  const parsed = addedTokensDecoder.safeParse(config?.added_tokens_decoder);
  if (!parsed.success) {
    const issue = firstIssue(parsed.error);
    throw new PunieError("MODEL_CORRUPT", `tokenizer_config.json in ${directory}: added_tokens_decoder: ${issue}`);
  }
  const known = new Set(spec.added_tokens.map((token) => token.content));
  for (const [key, token] of Object.entries(parsed.data ?? {})) {
    if (known.has(token.content)) continue;
    const added = addedToken.safeParse({ ...token, id: Number(key) });
    if (!added.success) {
      const issue = firstIssue(added.error);
      throw new PunieError("MODEL_CORRUPT", `tokenizer_config.json in ${directory}: added token ${key}: ${issue}`);
    }
    spec.added_tokens.push(added.data);
  }
  return spec;
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue ? `${issue.path.length > 0 ? `${issue.path.join(".")}: ` : ""}${issueText(issue)}` : error.message;
}
