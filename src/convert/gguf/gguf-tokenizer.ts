/** tokenizer.json and tokenizer_config.json, as Hugging Face's libraries read them, from a GGUF file's vocabulary. */
import { PunieError } from "../../errors.js";
import { readTokenId } from "./gguf-config.js";
import { type GgufMetadata, MetadataLookup } from "./gguf-metadata.js";
import { preTokenizerNames, splittingRules } from "./pre-tokenizers.js";

/** `tokenizer.ggml.token_type`. 1 is an ordinary token. */
const CONTROL = 3;
const USER_DEFINED = 4;
/** Fills the vocabulary up to the rows of the embedding; no text gives it. */
const UNUSED = 5;

export interface TokenizerFiles {
  /** tokenizer.json */
  tokenizer: Record<string, unknown>;
  /** tokenizer_config.json, with the chat template */
  tokenizerConfig: Record<string, unknown>;
}

interface AddedToken {
  id: number;
  content: string;
  special: boolean;
}

/** @throws MODEL_UNSUPPORTED for other kinds of tokenizer, MODEL_CORRUPT for tables that don't fit together */
export function readTokenizer(
  metadata: GgufMetadata,
  vocabSize: number,
  maxPositions: number,
  path: string,
): TokenizerFiles {
  const lookup = new MetadataLookup(metadata, path);
  requireByteLevelBpe(lookup, path);
  const rules = splittingRules(lookup.string("tokenizer.ggml.pre"));
  if (!rules) {
    const found = lookup.string("tokenizer.ggml.pre");
    throw new PunieError(
      "MODEL_UNSUPPORTED",
      `${path} can't be imported: its tokenizer splits text by the rule '${found}'; known are ${preTokenizerNames}.`,
    );
  }
  const vocabulary = readVocabulary(lookup, vocabSize, path);
  const added = readAddedTokens(lookup, vocabulary);
  return {
    tokenizer: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: added.map((token) => ({ ...addedTokenFlags, ...token })),
      normalizer: rules.normalizer,
      pre_tokenizer: rules.preTokenizer,
      post_processor: postProcessor(lookup, vocabulary),
      decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        ...bpeSettings,
        vocab: vocabularyTable(lookup, vocabulary),
        merges: readMerges(lookup, vocabulary, path),
      },
    },
    tokenizerConfig: tokenizerConfig(lookup, vocabulary, added, maxPositions),
  };
}

const addedTokenFlags = { single_word: false, lstrip: false, rstrip: false, normalized: false };

const bpeSettings = {
  type: "BPE",
  dropout: null,
  unk_token: null,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: false,
};

function requireByteLevelBpe(lookup: MetadataLookup, path: string): void {
  const kind = lookup.string("tokenizer.ggml.model");
  if (kind !== "gpt2") {
    const message = `its tokenizer is of the kind '${kind}'; only byte-level BPE ('gpt2') can be imported`;
    throw new PunieError("MODEL_UNSUPPORTED", `${path} can't be imported: ${message}.`);
  }
}

/** Tokens with their ids. A token can't be there twice. */
function readVocabulary(lookup: MetadataLookup, vocabSize: number, path: string): Map<string, number> {
  const tokens = lookup.strings("tokenizer.ggml.tokens");
  if (tokens.length > vocabSize) {
    throw corrupt(path, `it has ${tokens.length} tokens, but the embedding has ${vocabSize} rows`);
  }
  const vocabulary = new Map<string, number>();
  for (const [id, token] of tokens.entries()) {
    if (vocabulary.has(token)) throw corrupt(path, `tokens ${vocabulary.get(token)} and ${id} are the same text`);
    vocabulary.set(token, id);
  }
  const types = lookup.integers("tokenizer.ggml.token_type");
  if (types.length !== tokens.length) {
    throw corrupt(path, `it has ${tokens.length} tokens and ${types.length} token types`);
  }
  return vocabulary;
}

function readAddedTokens(lookup: MetadataLookup, vocabulary: Map<string, number>): AddedToken[] {
  const types = lookup.integers("tokenizer.ggml.token_type");
  return [...vocabulary]
    .filter(([, id]) => types[id] === CONTROL || types[id] === USER_DEFINED)
    .map(([content, id]) => ({ id, content, special: types[id] === CONTROL }));
}

function vocabularyTable(lookup: MetadataLookup, vocabulary: Map<string, number>): Record<string, number> {
  const types = lookup.integers("tokenizer.ggml.token_type");
  return Object.fromEntries([...vocabulary].filter(([, id]) => types[id] !== UNUSED));
}

/** Merges, best first, each "left right". */
function readMerges(lookup: MetadataLookup, vocabulary: Map<string, number>, path: string): string[] {
  const merges = lookup.strings("tokenizer.ggml.merges");
  for (const [rank, merge] of merges.entries()) {
    const [left = "", right = "", ...rest] = merge.split(" ");
    if (rest.length > 0 || !vocabulary.has(left) || !vocabulary.has(right) || !vocabulary.has(left + right)) {
      throw corrupt(path, `merge ${rank}, ${JSON.stringify(merge.slice(0, 80))}, is not a pair of known tokens`);
    }
  }
  return merges;
}

/** Puts the first token of every text where the file asks for one. */
function postProcessor(lookup: MetadataLookup, vocabulary: Map<string, number>): Record<string, unknown> | null {
  const bos = specialToken(lookup, vocabulary, "bos");
  if (!addsBos(lookup) || !bos) return null;
  const first = { SpecialToken: { id: bos.content, type_id: 0 } };
  return {
    type: "TemplateProcessing",
    single: [first, { Sequence: { id: "A", type_id: 0 } }],
    pair: [first, { Sequence: { id: "A", type_id: 0 } }, first, { Sequence: { id: "B", type_id: 1 } }],
    special_tokens: { [bos.content]: { id: bos.content, ids: [bos.id], tokens: [bos.content] } },
  };
}

function tokenizerConfig(
  lookup: MetadataLookup,
  vocabulary: Map<string, number>,
  added: AddedToken[],
  maxPositions: number,
): Record<string, unknown> {
  const text = (name: string) => specialToken(lookup, vocabulary, name)?.content ?? null;
  const template = "tokenizer.chat_template";
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    add_prefix_space: false,
    add_bos_token: addsBos(lookup),
    bos_token: text("bos"),
    eos_token: text("eos"),
    unk_token: text("unknown"),
    pad_token: text("padding"),
    model_max_length: maxPositions,
    clean_up_tokenization_spaces: false,
    added_tokens_decoder: Object.fromEntries(
      added.map(({ id, ...token }) => [String(id), { ...addedTokenFlags, ...token }]),
    ),
    ...(lookup.has(template) && { chat_template: lookup.string(template) }),
  };
}

function addsBos(lookup: MetadataLookup): boolean {
  const key = "tokenizer.ggml.add_bos_token";
  return lookup.has(key) && lookup.boolean(key);
}

function specialToken(lookup: MetadataLookup, vocabulary: Map<string, number>, name: string) {
  const id = readTokenId(lookup, `tokenizer.ggml.${name}_token_id`);
  const content = id === undefined ? undefined : lookup.strings("tokenizer.ggml.tokens")[id];
  if (id === undefined || content === undefined || !vocabulary.has(content)) return undefined;
  return { id, content };
}

function corrupt(path: string, cause: string): PunieError {
  return new PunieError("MODEL_CORRUPT", `${path} has a broken tokenizer: ${cause}.`);
}
