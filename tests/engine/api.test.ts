/** The API on the real addon: what a caller sees of one model, alone and in company. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModel, type Model, type StreamPart } from "../../src/index.js";
import { TINY_MODEL } from "../helpers/tiny-model.js";

const FRANCE = [{ role: "user", content: "What is the capital of France?" }];
const PARIS = "The capital of France is Paris.";
const SAMPLED = { messages: FRANCE, temperature: 1.5, seed: 11, ignoreEos: true, maxTokens: 40 };

let model: Model;
beforeAll(async () => {
  model = await loadModel(TINY_MODEL, { threads: 2, contextLength: 1024 });
});
afterAll(() => model.dispose());

describe("generate", () => {
  it("answers through the chat template, and says truthfully what it took", async () => {
    const result = await model.generate({ messages: FRANCE, logprobs: 3 });
    expect(result).toMatchObject({ text: PARIS, reasoning: "", toolCalls: [], finishReason: "stop" });
    expect(result.usage).toMatchObject({ promptTokens: result.promptTokens.length, completionTokens: 7 });
    expect(await model.detokenize(result.tokens.map(({ id }) => id))).toBe(PARIS);
    for (const { logprob, top } of result.tokens) {
      expect(logprob).toBeLessThanOrEqual(0);
      const best = (top ?? []).map((token) => token.logprob);
      expect(best).toEqual([...best].sort((a, b) => b - a));
      expect(best.reduce((sum, value) => sum + Math.exp(value), 0)).toBeLessThanOrEqual(1 + 1e-5);
    }
    const { promptMs, firstTokenMs, generationMs, loadMs } = result.timings;
    expect(Math.min(promptMs, generationMs, loadMs)).toBeGreaterThan(0);
    expect(firstTokenMs).toBeGreaterThanOrEqual(promptMs);
    expect(result.memory.modelBytes).toBeGreaterThan(700_000);
    expect(result.memory.peakBytes).toBeGreaterThan(result.memory.modelBytes);
  });

  it("gives the same for a prompt of text and for its ids", async () => {
    const prompt = await model.applyChatTemplate(FRANCE);
    const asText = await model.generate({ prompt });
    const asIds = await model.generate({ prompt: Uint32Array.from(await model.tokenize(prompt)) });
    expect([asText.text, asIds.text]).toEqual([PARIS, PARIS]);
  });

  it("reads a long prompt in chunks, and tells of each", async () => {
    const small = await loadModel(TINY_MODEL, { prefillChunk: 100 });
    const seen: number[] = [];
    const onPromptProgress = ({ processed, total }: { processed: number; total: number }) => {
      expect(total).toBe(350);
      seen.push(processed);
    };
    await small.generate({ prompt: Array.from({ length: 350 }, (_, i) => i % 1000), maxTokens: 1, onPromptProgress });
    await small.dispose();
    expect(seen.length).toBeGreaterThanOrEqual(4);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(350);
  });

  it("goes on to the context's end, and no further", async () => {
    const result = await model.generate({ prompt: [1, 2, 3], ignoreEos: true, maxTokens: 5000 });
    expect(result).toMatchObject({ finishReason: "length", usage: { promptTokens: 3, completionTokens: 1021 } });
  });

  it("keeps out a token that its bias forbids, and takes one that it demands", async () => {
    const [first] = (await model.generate({ messages: FRANCE, maxTokens: 1 })).tokens;
    const id = first?.id as number;
    const without = await model.generate({ messages: FRANCE, maxTokens: 1, logitBias: { [id]: -1000 } });
    expect(without.tokens[0]?.id).not.toBe(id);
    const demanded = await model.generate({ messages: FRANCE, maxTokens: 3, logitBias: { 500: 1000 } });
    expect(demanded.tokens.map((token) => token.id)).toEqual([500, 500, 500]);
  });
});

describe("a seed", () => {
  it("gives the same text again, and another seed another one", async () => {
    const { text } = await model.generate(SAMPLED);
    expect((await model.generate(SAMPLED)).text).toBe(text);
    expect((await model.generate({ ...SAMPLED, seed: 12 })).text).not.toBe(text);
  });

  it("gives the same text in company as alone, and in another process's model", async () => {
    const { text } = await model.generate(SAMPLED);
    const company = [1, 2, 3].map((seed) => model.generate({ ...SAMPLED, seed }));
    expect((await model.generate(SAMPLED)).text).toBe(text);
    await Promise.all(company);
    const another = await loadModel(TINY_MODEL, { threads: 1 });
    expect((await another.generate(SAMPLED)).text).toBe(text);
    await another.dispose();
  });
});

describe("stream", () => {
  it("gives parts that join to what generate gives", async () => {
    let text = "";
    let last: StreamPart | undefined;
    for await (const part of model.stream({ messages: FRANCE })) {
      if (part.type === "text-delta") text += part.text;
      last = part;
    }
    expect({ text, type: last?.type }).toEqual({ text: PARIS, type: "finish" });
  });

  it("that is aborted during its answer or its prompt rejects with the reason; the model stays usable", async () => {
    for (const request of [{ prompt: [1, 2, 3], ignoreEos: true }, { prompt: Array.from({ length: 1000 }, () => 7) }]) {
      const stop = new AbortController();
      const reason = new Error("enough");
      const generating = model.generate({
        ...request,
        signal: stop.signal,
        onPromptProgress: () => setImmediate(() => stop.abort(reason)),
      });
      await expect(generating).rejects.toBe(reason);
      expect((await model.generate({ messages: FRANCE })).text).toBe(PARIS);
    }
  });

  it("that is left early makes room for the next one at once", async () => {
    for (let i = 0; i < 5; i++) {
      for await (const _ of model.stream({ prompt: [1, 2, 3], ignoreEos: true })) break;
    }
    expect((await model.generate({ messages: FRANCE })).text).toBe(PARIS);
  });

  it("runs beside others, each with its own text and its own end", async () => {
    const questions = ["What is the capital of France?", "What is 2 + 3?"];
    const texts = await Promise.all(
      [...questions, ...questions].map((content) => model.generate({ messages: [{ role: "user", content }] })),
    );
    expect(texts.map(({ text }) => text)).toEqual([PARIS, "2 + 3 = 5", PARIS, "2 + 3 = 5"]);
  });
});
