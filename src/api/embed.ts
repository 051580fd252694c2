/** Texts as vectors of unit length. */
import { POOLINGS, type Pooling } from "../models/embedding-model.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { checkInteger, checkNames, checkOneOf, checkSignal, checkText } from "./options.js";
import { mapConcurrently, type RunPromptTask } from "./prompt-task.js";

export interface EmbedOptions {
  /**
   * What a vector is made of, after the final norm: the last token's hidden state, or the mean of all tokens'. Default:
   * what the model's 1_Pooling/config.json says, else `last`.
   */
  pooling?: Pooling | undefined;
  /**
   * The task, for a query, as Qwen3-Embedding wants it: the text becomes `Instruct: INSTRUCTION\nQuery:TEXT`. Documents
   * get none.
   */
  instruction?: string | undefined;
  /** Keeps the first N components, for a model that was trained for it (Matryoshka, arXiv:2205.13147). Default: all. */
  dimensions?: number | undefined;
  /** Stops within a prompt chunk; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

const OPTIONS = ["pooling", "instruction", "dimensions", "signal"] as const;

/** The end of a text for models whose tokenizer does not write one: Qwen's embedding models are trained to be read there. */
const END_TOKEN = "<|endoftext|>";
/** Texts handed to the engine at once: twice what shares a pass, so that the next ones wait there. */
const AT_ONCE = 16;

export interface CheckedEmbedOptions {
  /** Undefined: the model's own. */
  pooling: Pooling | undefined;
  instruction: string | undefined;
  /** Undefined: all. */
  dimensions: number | undefined;
  signal: AbortSignal | undefined;
}

/** @throws PunieError `INVALID_OPTION` */
export function checkEmbedOptions(value: EmbedOptions | undefined, hiddenSize: number): CheckedEmbedOptions {
  const options = checkNames("embed options", value, OPTIONS) as EmbedOptions;
  const { pooling, dimensions } = options;
  return {
    pooling: pooling === undefined ? undefined : checkOneOf("pooling", pooling, "last", POOLINGS),
    instruction: checkText("instruction", options.instruction),
    dimensions:
      dimensions === undefined
        ? undefined
        : checkInteger("dimensions", dimensions, hiddenSize, { min: 1, max: hiddenSize }),
    signal: checkSignal("signal", options.signal),
  };
}

/** A query with its task. */
export function withInstruction(text: string, instruction: string | undefined): string {
  return instruction === undefined ? text : `Instruct: ${instruction}\nQuery:${text}`;
}

/** The text's ids, with an end token for `last` to read: the one that the tokenizer writes, else `<|endoftext|>`. */
export async function withEndToken(ids: Uint32Array, tokenizer: Tokenizer): Promise<Uint32Array> {
  const last = ids.at(-1);
  if (last !== undefined && tokenizer.isSpecial(last)) return ids;
  const [end, ...others] = await tokenizer.encode(END_TOKEN);
  if (end === undefined || others.length > 0 || !tokenizer.isSpecial(end)) return ids;
  return Uint32Array.from([...ids, end]);
}

/** One vector for each text's ids. */
export function computeEmbeddings(
  run: RunPromptTask,
  texts: readonly Uint32Array[],
  pooling: Pooling,
  { dimensions, signal }: CheckedEmbedOptions,
): Promise<Float32Array[]> {
  return mapConcurrently(texts, AT_ONCE, async (ids) => {
    const { embedding } = await run({ ids, pooling, signal });
    return toUnitLength((embedding as Float32Array).slice(0, dimensions));
  });
}

/** A vector of zeros, which has no direction, stays one. */
function toUnitLength(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return length === 0 ? vector : vector.map((value) => value / length);
}
