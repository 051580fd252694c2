/** A request that ends with its prompt: what is asked is of the prompt itself. */
import { PunieError } from "../errors.js";
import { fromNative } from "../native/binding.js";
import type { NativeModel, NativeRequest } from "../native/binding-types.js";
import type { RequestRouter } from "./request-router.js";
import { checkSampling } from "./sampling.js";

export interface PromptTask extends Pick<NativeRequest, "promptLogprobs" | "pooling" | "scoreIds" | "adapter"> {
  ids: Uint32Array;
  signal?: AbortSignal | undefined;
}

export interface PromptTaskResult {
  /** With `promptLogprobs`: entry i is token i + 1's. */
  logprobs: Float32Array;
  /** With `pooling`. */
  embedding: Float32Array | undefined;
  /** With `scoreIds`, in their order. */
  scores: Float32Array | undefined;
}

export type RunPromptTask = (task: PromptTask) => Promise<PromptTaskResult>;

/**
 * Settles when the native model has let go of the request: an abort takes until the end of a prompt chunk.
 *
 * @param modelPath For messages.
 * @throws PunieError with the native model's code; the signal's reason.
 */
export function runPromptTask(
  native: NativeModel,
  router: RequestRouter,
  modelPath: string,
  { ids, signal, ...asked }: PromptTask,
): Promise<PromptTaskResult> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const result: PromptTaskResult = { logprobs: new Float32Array(0), embedding: undefined, scores: undefined };
    if (asked.promptLogprobs !== undefined) result.logprobs = new Float32Array(ids.length - 1);
    // Nothing is sampled; the request has to say how all the same.
    const request = { prompt: ids, maxTokens: 0, stopIds: [], sampling: checkSampling({}, 1), logprobs: -1, ...asked };
    const cancel = router.start(native, request, (event) => {
      switch (event.type) {
        case "prompt-logprobs":
          result.logprobs.set(event.logprobs, event.first - 1);
          return;
        case "embedding":
          result.embedding = event.values;
          return;
        case "scores":
          result.scores = event.logprobs;
          return;
        case "finish":
          signal?.removeEventListener("abort", cancel);
          if (signal?.aborted) reject(signal.reason);
          else if (event.reason === "cancelled") reject(new PunieError("ABORTED", "The request was cancelled."));
          else resolve(result);
          return;
        case "error":
          signal?.removeEventListener("abort", cancel);
          reject(fromNative(event, modelPath));
      }
    });
    signal?.addEventListener("abort", cancel, { once: true });
  });
}

/**
 * `work` on every item, at most `limit` at once; results in the items' order. When one fails, no other begins, and the
 * first failure is thrown once those that run have ended.
 */
export async function mapConcurrently<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  let failure: { error: unknown } | undefined;
  const worker = async () => {
    while (next < items.length && failure === undefined) {
      const index = next++;
      try {
        results[index] = await work(items[index] as T, index);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  if (failure) throw failure.error;
  return results;
}
