/** Several requests at once, measured while all of them are being answered. */
import type { Model } from "../api/model.js";
import type { Timings } from "../api/parts.js";
import { PunieError } from "../errors.js";

/** As many as a model runs at once; more would wait for their turn, and nothing would be measured of them. */
export const MAX_BATCH = 8;

export interface Batch {
  /** Token ids, one list for each request. */
  prompts: readonly Uint32Array[];
  generateTokens: number;
  signal?: AbortSignal | undefined;
}

/**
 * Timings of one request alone, or of several together:
 *
 * Requests are made at the same moment, and prompts are read one after another, so the last is the first to generate
 * nothing but beside all others. It generates `generateTokens`; the others go on until it is done and are stopped then,
 * so that no moment of a smaller batch is counted. Every pass gives each sequence one token: the rate of all is the
 * last one's times their number.
 * - `generationTokensPerSecond`: of all requests together, from the last one's first token to its last.
 * - `promptTokensPerSecond`: tokens of all prompts, from the requests' start to the last one's first token, which is
 *   a little less than prompts alone would have: the first answers are begun meanwhile.
 * - `firstTokenMs`: of the last, the longest wait.
 *
 * @throws PunieError `CONTEXT_TOO_LONG` when the context ends an answer before the last one has its tokens; as
 * `model.generate`.
 */
export async function runBatch(model: Model, { prompts, generateTokens, signal }: Batch): Promise<Timings> {
  const last = prompts.at(-1) as Uint32Array;
  const others = prompts.slice(0, -1);
  const stop = new AbortController();
  const stopped = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const beside = others.map((prompt) =>
    generate(model, prompt, Math.max(1, model.info.contextLength - prompt.length), stopped).then(
      () => "ended" as const,
      (error) => error,
    ),
  );
  let timings: Timings;
  try {
    ({ timings } = await generate(model, last, generateTokens, stopped));
  } finally {
    stop.abort();
  }
  // An answer that ended by itself has left the rest of the time to the others.
  for (const outcome of await Promise.all(beside)) {
    if (outcome === "ended") throw tooLong(model, prompts.length);
    if (!isAbort(outcome)) throw outcome;
  }
  if (prompts.length === 1) return timings;
  const promptTokens = prompts.reduce((sum, prompt) => sum + prompt.length, 0);
  return {
    ...timings,
    promptTokensPerSecond: (promptTokens / timings.firstTokenMs) * 1000,
    generationTokensPerSecond: timings.generationTokensPerSecond * prompts.length,
  };
}

function generate(model: Model, prompt: Uint32Array, maxTokens: number, signal: AbortSignal) {
  return model.generate({ prompt, maxTokens, ignoreEos: true, signal });
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

function tooLong(model: Model, batch: number): PunieError {
  return new PunieError(
    "CONTEXT_TOO_LONG",
    `Of ${batch} requests at once, one reached the end of the context, ${model.info.contextLength} tokens, before all ` +
      "had generated theirs. Ask for shorter prompts or answers, or a longer context.",
  );
}
