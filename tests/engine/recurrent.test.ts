/** Models with a state in place of a KV cache: it can't be cut back, and a pass that is cut short must not move it. */
import { expect, test } from "vitest";
import { loadModel, type Model } from "../../src/index.js";
import { type GoldenRun, readGolden, withTemporaryDirectory } from "../helpers/golden.js";
import { type RandomModelSpec, writeRandomModel } from "../helpers/random-model.js";

const { cases } = readGolden<{ cases: (RandomModelSpec & { runs: GoldenRun[] })[] }>("random-models");
const { runs, ...spec } = cases.find(({ name }) => name === "qwen3_next, a long prompt") as (typeof cases)[number];
const { prompt } = runs[0] as GoldenRun;

async function withModel(use: (model: Model) => Promise<void>): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    await using model = await loadModel(await writeRandomModel(spec, directory), { prefillChunk: 32 });
    await use(model);
  });
}

async function answer(model: Model, ids: number[], maxTokens = 12) {
  const { tokens, usage } = await model.generate({ prompt: ids, maxTokens, logprobs: 4, ignoreEos: true });
  return { tokens, cachedTokens: usage.cachedTokens };
}

test("a prompt that goes on where the last text ended begins there, with the same result as anew", async () => {
  await withModel(async (model) => {
    const first = await answer(model, prompt.slice(0, 50));
    const longer = [...prompt.slice(0, 50), ...first.tokens.map(({ id }) => id), ...prompt.slice(50, 80)];
    const after = await answer(model, longer);
    expect(after.cachedTokens).toBeGreaterThan(50);
    await answer(model, prompt.slice(300, 320));
    const anew = await answer(model, longer);
    expect(anew.cachedTokens).toBe(0);
    expect(after.tokens).toEqual(anew.tokens);
  });
});

test("a prompt that parts from the last text is computed anew: a state can't be cut back", async () => {
  await withModel(async (model) => {
    await answer(model, prompt.slice(0, 60));
    const other = [...prompt.slice(0, 40), ...prompt.slice(200, 220)];
    const found = await answer(model, other);
    expect(found.cachedTokens).toBe(0);
    await answer(model, prompt.slice(300, 320));
    expect(found.tokens).toEqual((await answer(model, other)).tokens);
  });
});

test("a prompt that was aborted on its way gives the same answer afterwards", async () => {
  await withModel(async (model) => {
    const whole = await answer(model, prompt.slice(0, 400));
    for (const after of [1, 3, 7]) {
      const abort = new AbortController();
      let seen = 0;
      const stopped = model.generate({
        prompt: prompt.slice(0, 400),
        signal: abort.signal,
        onPromptProgress: () => {
          if (++seen === after) abort.abort(new Error("enough"));
        },
      });
      await expect(stopped).rejects.toThrow("enough");
      expect((await answer(model, prompt.slice(0, 400))).tokens).toEqual(whole.tokens);
    }
  });
});

test("sequences that run side by side don't change one another", async () => {
  await withModel(async (model) => {
    const prompts = [prompt.slice(0, 20), prompt.slice(100, 190), prompt.slice(300, 301)];
    const alone = [];
    for (const ids of prompts) alone.push((await answer(model, ids)).tokens);
    const together = await Promise.all(prompts.map(async (ids) => (await answer(model, ids)).tokens));
    expect(together).toEqual(alone);
  });
});
