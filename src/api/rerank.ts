/** How relevant documents are to a query, by a reranking model that answers yes or no (Qwen3-Reranker). */
import { PunieError } from "../errors.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { checkNames, checkSignal, checkText, invalidOption } from "./options.js";
import { mapConcurrently, type RunPromptTask } from "./prompt-task.js";

export interface RerankOptions {
  /** What makes a document relevant. Default: the one of Qwen3-Reranker for web search. */
  instruction?: string | undefined;
  /** Stops within a prompt chunk; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

export interface RankedDocument {
  /** In the documents that were given. */
  index: number;
  /** The probability of "yes" among "yes" and "no", from 0 to 1. */
  score: number;
}

const OPTIONS = ["instruction", "signal"] as const;
/** Documents handed to the engine at once: twice what shares a pass. */
const AT_ONCE = 16;

// The words that Qwen3-Reranker was trained with (its model card, "Transformers Usage").
const DEFAULT_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query";
const BEFORE =
  "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. " +
  'Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n';
const AFTER = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";

export interface CheckedRerankOptions {
  instruction: string;
  signal: AbortSignal | undefined;
}

/** @throws PunieError `INVALID_OPTION` */
export function checkRerankOptions(
  query: unknown,
  documents: readonly unknown[],
  value: RerankOptions | undefined,
): CheckedRerankOptions {
  const options = checkNames("rerank options", value, OPTIONS) as RerankOptions;
  if (typeof query !== "string" || query === "") throw invalidOption("query", "a text that is not empty", query);
  if (!Array.isArray(documents)) throw invalidOption("documents", "an array of texts", documents);
  const odd = documents.findIndex((document) => typeof document !== "string");
  if (odd >= 0) throw invalidOption(`documents[${odd}]`, "a text", documents[odd]);
  return {
    instruction: checkText("instruction", options.instruction) ?? DEFAULT_INSTRUCTION,
    signal: checkSignal("signal", options.signal),
  };
}

export interface RerankPrompts {
  /** One for each document. */
  prompts: Uint32Array[];
  yesId: number;
  noId: number;
}

/**
 * What the model is to read for each document. As in training, the three parts are tokenized by themselves.
 *
 * @throws PunieError `MODEL_UNSUPPORTED` when "yes" or "no" is no token of the model
 */
export async function rerankPrompts(
  tokenizer: Tokenizer,
  query: string,
  documents: readonly string[],
  instruction: string,
): Promise<RerankPrompts> {
  const [yesId, noId] = [await wordId(tokenizer, "yes"), await wordId(tokenizer, "no")];
  const [before, after] = [await tokenizer.encode(BEFORE), await tokenizer.encode(AFTER)];
  const prompts = await Promise.all(
    documents.map(async (document) => {
      const body = `<Instruct>: ${instruction}\n<Query>: ${query}\n<Document>: ${document}`;
      return Uint32Array.from([...before, ...(await tokenizer.encode(body)), ...after]);
    }),
  );
  return { prompts, yesId, noId };
}

async function wordId(tokenizer: Tokenizer, word: string): Promise<number> {
  const [id, ...others] = await tokenizer.encode(word);
  if (id !== undefined && others.length === 0) return id;
  throw new PunieError("MODEL_UNSUPPORTED", `This model has no token '${word}', by which a reranker answers.`);
}

/** Best first; of equal ones the first given. */
export async function computeRanking(
  run: RunPromptTask,
  { prompts, yesId, noId }: RerankPrompts,
  signal: AbortSignal | undefined,
): Promise<RankedDocument[]> {
  const ranked = await mapConcurrently(prompts, AT_ONCE, async (ids, index) => {
    const { scores } = await run({ ids, scoreIds: [yesId, noId], signal });
    const [yes, no] = scores as unknown as [number, number];
    return { index, score: 1 / (1 + Math.exp(no - yes)) };
  });
  return ranked.sort((a, b) => b.score - a.score || a.index - b.index);
}
