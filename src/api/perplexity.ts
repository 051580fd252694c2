/** How well a model foretells a text: perplexity with its standard error, window by window. */
import { checkFunction, checkInteger, checkNames, checkSignal, invalidOption } from "./options.js";
import { mapConcurrently, type RunPromptTask } from "./prompt-task.js";

export interface PerplexityProgress {
  /** Windows done. */
  windows: number;
  totalWindows: number;
  /** Of the windows done. */
  perplexity: number;
}

export interface PerplexityOptions {
  /** Tokens of a window, each of which is read without what is before it. Default 512, or the context if that is shorter. */
  sequenceLength?: number | undefined;
  /**
   * Tokens from one window's beginning to the next one's; default: `sequenceLength`. With less, windows overlap, and of
   * each only what none before it has judged counts: every token then has at least `sequenceLength - stride` before it.
   */
  stride?: number | undefined;
  /** Most windows to read, from the text's beginning. Default: all. */
  maxSequences?: number | undefined;
  /** Stops within a prompt chunk; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told after each window. */
  onProgress?: ((progress: PerplexityProgress) => void) | undefined;
}

export interface PerplexityResult {
  /** exp of the mean negative log-likelihood. */
  perplexity: number;
  /** Of `perplexity`: itself times the standard error of the mean (delta method). Null for a single judged token. */
  standardError: number | null;
  /** Mean negative natural log-likelihood of a token. */
  negativeLogLikelihood: number;
  /** Of the text. */
  tokens: number;
  /** Tokens that were judged: all but each window's first, and none twice. */
  scoredTokens: number;
  windows: number;
  sequenceLength: number;
  stride: number;
}

const OPTIONS = ["sequenceLength", "stride", "maxSequences", "signal", "onProgress"] as const;
/** As mlx-lm's and llama.cpp's. */
const DEFAULT_SEQUENCE_LENGTH = 512;
/** Windows at once: one computes while the next one's tokens are on their way. */
const AT_ONCE = 2;

export interface CheckedPerplexityOptions {
  sequenceLength: number;
  stride: number;
  maxSequences: number;
  signal: AbortSignal | undefined;
  onProgress: ((progress: PerplexityProgress) => void) | undefined;
}

/** @throws PunieError `INVALID_OPTION` */
export function checkPerplexityOptions(
  value: PerplexityOptions | undefined,
  contextLength: number,
): CheckedPerplexityOptions {
  const options = checkNames("perplexity options", value, OPTIONS) as PerplexityOptions;
  const longest = Math.min(DEFAULT_SEQUENCE_LENGTH, contextLength);
  const range = { min: 2, max: contextLength };
  const sequenceLength = checkInteger("sequenceLength", options.sequenceLength, longest, range);
  return {
    sequenceLength,
    stride: checkInteger("stride", options.stride, sequenceLength, { min: 1, max: sequenceLength }),
    maxSequences: checkInteger("maxSequences", options.maxSequences, Number.MAX_SAFE_INTEGER, { min: 1 }),
    signal: checkSignal("signal", options.signal),
    onProgress: checkFunction("onProgress", options.onProgress),
  };
}

/** @param ids The text. @throws PunieError `INVALID_OPTION` for a text of a single token; what a task throws. */
export async function computePerplexity(
  run: RunPromptTask,
  ids: Uint32Array,
  { sequenceLength, stride, maxSequences, signal, onProgress }: CheckedPerplexityOptions,
): Promise<PerplexityResult> {
  if (ids.length < 2)
    throw invalidOption("text", "at least two tokens, as the first has nothing before it", ids.length);
  const starts = windowStarts(ids.length, sequenceLength, stride).slice(0, maxSequences);
  const losses = new Array<Float32Array>(starts.length);
  const soFar = new Moments();
  let told = 0;
  await mapConcurrently(starts, AT_ONCE, async (start, index) => {
    const window = ids.subarray(start, start + sequenceLength);
    const { logprobs } = await run({ ids: window, promptLogprobs: 0, signal });
    // Entry i is token i + 1's. An overlap has been judged by the windows before.
    losses[index] = index === 0 ? logprobs : logprobs.subarray(Math.max(0, sequenceLength - stride - 1));
    // In the text's order, whichever window was done first.
    for (let next = losses[told]; next !== undefined; next = losses[told]) {
      for (const logprob of next) soFar.add(-logprob);
      told++;
      onProgress?.({ windows: told, totalWindows: starts.length, perplexity: Math.exp(soFar.mean) });
    }
  });
  const perplexity = Math.exp(soFar.mean);
  return {
    perplexity,
    standardError: soFar.count > 1 ? perplexity * Math.sqrt(soFar.variance / soFar.count) : null,
    negativeLogLikelihood: soFar.mean,
    tokens: ids.length,
    scoredTokens: soFar.count,
    windows: starts.length,
    sequenceLength,
    stride,
  };
}

/** Whole windows only, so that every one weighs alike; a text shorter than one is its only one. */
function windowStarts(tokens: number, sequenceLength: number, stride: number): number[] {
  const count = Math.max(1, Math.floor((tokens - sequenceLength) / stride) + 1);
  return Array.from({ length: count }, (_, i) => i * stride);
}

/** Mean and unbiased variance in one pass (Welford, 1962). */
class Moments {
  count = 0;
  mean = 0;
  #squares = 0;

  add(value: number): void {
    this.count++;
    const before = value - this.mean;
    this.mean += before / this.count;
    this.#squares += before * (value - this.mean);
  }

  get variance(): number {
    return this.#squares / (this.count - 1);
  }
}
