import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { loadModel } from "../../src/index.js";
import { TINY_MODEL } from "../helpers/tiny-model.js";

/** One pass over this prompt takes far longer than the wait before the abort. */
const LONG_PROMPT = Array.from({ length: 2000 }, (_, i) => (i * 37) % 1200);

it("cuts a cancelled prompt short within its pass, and the model stays usable", async () => {
  const model = await loadModel(TINY_MODEL, { prefillChunk: 2000 });
  try {
    const { tokens: expected } = await model.generate({ prompt: LONG_PROMPT.slice(0, 50), maxTokens: 4 });
    const abort = new AbortController();
    const passes: number[] = [];
    const answer = model.generate({
      prompt: LONG_PROMPT,
      maxTokens: 4,
      signal: abort.signal,
      onPromptProgress: ({ processed }) => passes.push(processed),
    });
    await sleep(5);
    abort.abort(new Error("enough"));
    await expect(answer).rejects.toThrow("enough");
    const { tokens, usage } = await model.generate({ prompt: LONG_PROMPT.slice(0, 50), maxTokens: 4 });
    expect(passes).toEqual([]);
    expect(tokens).toEqual(expected);
    // Nothing of the prompt that was cut short is taken for computed.
    expect(usage.cachedTokens).toBeLessThan(50);
  } finally {
    await model.dispose();
  }
});
