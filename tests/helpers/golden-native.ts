/** A model on the addon itself, below the public API: for options that only tests have. */
import { openModelDirectory } from "../../src/models/model-directory.js";
import { fromNative, loadBinding } from "../../src/native/binding.js";
import type {
  NativeAdapterSpec,
  NativeEvent,
  NativeLoadOptions,
  NativeSampling,
} from "../../src/native/binding-types.js";
import { type Generate, LOGPROBS, type ScoredToken } from "./golden.js";

export const GREEDY: NativeSampling = {
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  repetitionPenalty: 1,
  repetitionContext: 20,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: [],
  seed: 0,
};

/** Loads the directory, and an adapter, for `use` alone. Requests are greedy and run one at a time. */
export async function withNativeModel(
  directory: string,
  options: Partial<NativeLoadOptions>,
  use: (generate: Generate) => Promise<void>,
  adapter?: NativeAdapterSpec,
): Promise<void> {
  const { spec } = await openModelDirectory(directory);
  let receive: (event: NativeEvent) => void = () => {};
  const model = await loadBinding().loadModel(spec, {
    device: "cpu",
    threads: 2,
    contextLength: 2048,
    prefillChunk: 128,
    onEvents: (events) => {
      for (const event of events) receive(event);
    },
    ...options,
  });
  let id = 0;
  const generate: Generate = (prompt, maxTokens) =>
    new Promise((resolve, reject) => {
      const tokens: ScoredToken[] = [];
      receive = (event) => {
        if (event.type === "token") {
          tokens.push({ id: event.id, top: (event.top ?? []).map(([id, logprob]) => ({ id, logprob })) });
        } else if (event.type === "finish") resolve(tokens);
        else if (event.type === "error") reject(fromNative(event));
      };
      const request = {
        prompt: Uint32Array.from(prompt),
        maxTokens,
        stopIds: [],
        sampling: GREEDY,
        logprobs: LOGPROBS,
      };
      model.start({ id: id++, ...request, ...(adapter && { adapter: adapter.id }) });
    });
  try {
    if (adapter) await model.loadAdapter(adapter);
    await use(generate);
  } finally {
    await model.dispose();
  }
}
