/** Log-probabilities of a prompt's tokens, and perplexity, against mlx-lm in float32. Goldens: scripts/make-goldens.py. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { loadModel, type Model, type PerplexityProgress } from "../../src/index.js";
import { FIXTURES, readGolden } from "../helpers/golden.js";
import { withPromptTasks } from "../helpers/native-tasks.js";
import { TINY_MODEL } from "../helpers/tiny-model.js";

const TEXT = readFileSync(join(FIXTURES, "conversations.txt"), "utf8");
/** 0.05 %: many times what differs, and less than a tenth of what a step in quantization costs. */
const TOLERANCE = 0.0005;

interface Row {
  sequenceLength: number;
  stride: number;
  perplexity: number;
  standardError: number;
  scoredTokens: number;
}
const golden = readGolden<{ tokens: number; rows: Row[] }>("perplexity");

let model: Model;
let ids: number[];
beforeAll(async () => {
  model = await loadModel(TINY_MODEL, { threads: 2, prefillChunk: 100 });
  ids = await model.tokenize(TEXT);
});
afterAll(() => model.dispose());

describe("perplexity", () => {
  test.each(golden.rows)("is mlx-lm's in windows of $sequenceLength every $stride tokens", async (row) => {
    const { sequenceLength, stride } = row;
    const result = await model.perplexity(TEXT, { sequenceLength, stride });
    expect(Math.abs(result.perplexity / row.perplexity - 1)).toBeLessThan(TOLERANCE);
    expect(Math.abs((result.standardError as number) / row.standardError - 1)).toBeLessThan(TOLERANCE);
    expect(result).toMatchObject({ tokens: golden.tokens, scoredTokens: row.scoredTokens, sequenceLength, stride });
  });

  it("is the same for a text and for its ids, and by default in windows of 512", async () => {
    expect(await model.perplexity(ids)).toEqual(await model.perplexity(TEXT, { sequenceLength: 512 }));
  });

  it("of a text shorter than a window is that of the whole text", async () => {
    const short = await model.perplexity(ids.slice(0, 2));
    expect(short).toMatchObject({ tokens: 2, scoredTokens: 1, windows: 1, standardError: null });
    expect(await model.perplexity(ids.slice(0, 40))).toMatchObject({ scoredTokens: 39, windows: 1 });
  });

  it("tells how far it is, in the text's order, and reads no more windows than it is told", async () => {
    const told: PerplexityProgress[] = [];
    const onProgress = (progress: PerplexityProgress) => told.push(progress);
    const result = await model.perplexity(TEXT, { sequenceLength: 100, maxSequences: 3, onProgress });
    expect(told.map(({ windows, totalWindows }) => [windows, totalWindows])).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
    expect(told.at(-1)?.perplexity).toBe(result.perplexity);
    expect(result).toMatchObject({ windows: 3, scoredTokens: 297 });
  });

  it("stops when its signal aborts, and the model stays usable", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const windows: number[] = [];
    const onProgress = (progress: PerplexityProgress) => {
      windows.push(progress.windows);
      stop.abort(reason);
    };
    const running = model.perplexity(TEXT, { sequenceLength: 64, signal: stop.signal, onProgress });
    await expect(running).rejects.toBe(reason);
    expect(windows.length).toBeLessThan(5);
    await expect(model.perplexity(TEXT, { signal: stop.signal })).rejects.toBe(reason);
    expect((await model.generate({ prompt: [1, 2, 3], maxTokens: 2, ignoreEos: true })).tokens).toHaveLength(2);
  });

  it.each([
    ["a text of one token", () => model.perplexity([7]), "text: expected at least two tokens"],
    ["an empty text", () => model.perplexity(""), "text: expected a text that is not empty"],
    ["no text", () => model.perplexity(7 as never), "text: expected a text or an array of token ids, received 7"],
    ["ids past the vocabulary", () => model.perplexity([1, 1280]), "text[1]: expected a token id"],
    ["a window past the context", () => model.perplexity(ids, { sequenceLength: 4096 }), "sequenceLength: expected"],
    ["a stride past the window", () => model.perplexity(ids, { stride: 513 }), "stride: expected an integer from 1 to"],
    ["an unknown option", () => model.perplexity(ids, { window: 5 } as never), "unknown option 'window'"],
  ])("refuses %s", async (_, run, message) => {
    await expect(run()).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringContaining(message),
    });
  });
});

describe("log-probabilities of a prompt's tokens", () => {
  const prompt = () => Uint32Array.from(ids.slice(0, 300));

  it("are those that generation gives for the same tokens", async () => {
    const { tokens } = await model.generate({ prompt: ids.slice(0, 40), maxTokens: 20, logprobs: 0, ignoreEos: true });
    const all = [...ids.slice(0, 40), ...tokens.map(({ id }) => id)];
    await withPromptTasks(TINY_MODEL, {}, async (run) => {
      const { logprobs } = await run({ ids: Uint32Array.from(all), promptLogprobs: 0 });
      expect([...logprobs.subarray(39)]).toEqual(tokens.map(({ logprob }) => logprob));
    });
  });

  it("are the same bit for bit in any chunks, alone and in company, whatever was computed before", async () => {
    const results: Float32Array[] = [];
    for (const prefillChunk of [512, 7, 128]) {
      await withPromptTasks(TINY_MODEL, { prefillChunk }, async (run) => {
        const task = { ids: prompt(), promptLogprobs: 0 };
        results.push((await run(task)).logprobs);
        const company = [3, 150, 299].map((count) => run({ ...task, ids: task.ids.subarray(0, count) }));
        const [among, ...others] = await Promise.all([run(task), ...company]);
        results.push(among?.logprobs as Float32Array);
        for (const { logprobs } of others) expect(logprobs).toEqual(results[0]?.subarray(0, logprobs.length));
      });
    }
    for (const logprobs of results) expect(logprobs).toEqual(results[0]);
  });

  it("of MLX's own operations are those of the kernels, nearly", async () => {
    const results: Float32Array[] = [];
    for (const stockOps of [false, true]) {
      await withPromptTasks(TINY_MODEL, { stockOps }, async (run) => {
        results.push((await run({ ids: prompt().subarray(0, 150), promptLogprobs: 0 })).logprobs);
      });
    }
    const [ours, stock] = results as [Float32Array, Float32Array];
    const differences = ours.map((value, i) => Math.abs(value - (stock[i] as number)));
    expect(Math.max(...differences)).toBeLessThan(0.01);
    expect(ours.some((value) => value < -1)).toBe(true);
  });
});
