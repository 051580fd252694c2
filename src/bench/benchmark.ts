/** Measures how fast a loaded model reads a prompt and writes an answer. */
import type { Model } from "../api/model.js";
import type { Timings } from "../api/parts.js";
import { openModelDirectory } from "../models/model-directory.js";
import { bytesReadPerToken } from "../models/model-size.js";
import { runBatch } from "./batch.js";

export interface BenchmarkOptions {
  /** Of each request. */
  promptTokens: number;
  /** Of each request, all of them while every other request of the batch is being answered too. */
  generateTokens: number;
  /** Requests at once, 1 to `MAX_BATCH`. Default 1. */
  batch?: number;
  repeats: number;
  signal?: AbortSignal;
  /** Told after each repetition. */
  onRepeat?: (done: number) => void;
}

export interface Spread {
  median: number;
  min: number;
  max: number;
}

/** Rates are of all requests of a batch together; what each means for more than one is said by `runBatch`. */
export interface Measured {
  promptTokensPerSecond: Spread;
  generationTokensPerSecond: Spread;
  firstTokenMs: Spread;
  loadMs: number;
  peakMemoryBytes: number;
  modelBytes: number;
}

/** Enough to touch every weight and start every thread. */
const WARM_UP_TOKENS = 4;

/**
 * Runs the model on made-up token ids, past its end tokens, once to warm up and then `repeats` times.
 * @throws PunieError `CONTEXT_TOO_LONG` when prompt and answer don't fit the context; the signal's reason.
 */
export async function benchmark(model: Model, options: BenchmarkOptions): Promise<Measured> {
  const { config } = await openModelDirectory(model.info.path);
  const { promptTokens, generateTokens, batch = 1, repeats, signal } = options;
  const run = (repeat: number, maxTokens: number): Promise<Timings> => {
    const prompts = Array.from({ length: batch }, (_, row) =>
      madeUpIds(promptTokens, config.vocabSize, repeat * batch + row),
    );
    return runBatch(model, { prompts, generateTokens: maxTokens, signal });
  };
  await run(0, Math.min(WARM_UP_TOKENS, generateTokens));
  const timings: Timings[] = [];
  for (let repeat = 1; repeat <= repeats; repeat++) {
    timings.push(await run(repeat, generateTokens));
    options.onRepeat?.(repeat);
  }
  const { peakBytes, modelBytes } = model.memory();
  const spreadOf = (name: keyof Timings) => spread(timings.map((times) => times[name]));
  return {
    promptTokensPerSecond: spreadOf("promptTokensPerSecond"),
    generationTokensPerSecond: spreadOf("generationTokensPerSecond"),
    firstTokenMs: spreadOf("firstTokenMs"),
    loadMs: timings[0]?.loadMs ?? 0,
    peakMemoryBytes: peakBytes,
    modelBytes,
  };
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? 0;
  const middle = (sorted.length - 1) / 2;
  return { median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2, min: at(0), max: at(sorted.length - 1) };
}

/** Ids all over the vocabulary, others for each repetition, so that no cache can help. */
export function madeUpIds(count: number, vocabSize: number, repeat: number): Uint32Array {
  // A linear congruential generator (Numerical Recipes); its upper bits are the random ones, and seeds lie far apart.
  let state = Math.imul(repeat + 1, 0x9e3779b9);
  return Uint32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * vocabSize);
  });
}

/** Bytes of weights that generating one token reads. */
export async function bytesPerToken(modelPath: string): Promise<number> {
  const { config, spec } = await openModelDirectory(modelPath);
  return bytesReadPerToken(config, spec.tensors);
}
