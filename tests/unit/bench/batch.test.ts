import { expect, it } from "vitest";
import { loadModel } from "../../../src/api/load-model.js";
import type { Model } from "../../../src/api/model.js";
import type { GenerateResult } from "../../../src/api/parts.js";
import type { GenerateRequest } from "../../../src/api/request.js";
import { runBatch } from "../../../src/bench/batch.js";
import { TINY_MODEL } from "../../helpers/tiny-model.js";

const TIMINGS = {
  loadMs: 1,
  promptMs: 100,
  firstTokenMs: 400,
  generationMs: 500,
  promptTokensPerSecond: 30,
  generationTokensPerSecond: 20,
};

/** A model whose answers end when they are let; `log` tells what was asked for. */
function modelThat(answer: (request: GenerateRequest, index: number) => Promise<Partial<GenerateResult>>) {
  const log: GenerateRequest[] = [];
  const generate = (request: GenerateRequest) => answer(request, log.push(request) - 1);
  return { log, model: { info: { contextLength: 100 }, generate } as unknown as Model };
}

/** Goes on for ever. */
const untilStopped = ({ signal }: GenerateRequest) =>
  new Promise<never>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));

const prompts = (count: number) => Array.from({ length: count }, () => new Uint32Array(10));

it("gives one request's own timings", async () => {
  const { log, model } = modelThat(async () => ({ timings: TIMINGS }));
  expect(await runBatch(model, { prompts: prompts(1), generateTokens: 7 })).toEqual(TIMINGS);
  expect(log).toEqual([expect.objectContaining({ maxTokens: 7, ignoreEos: true })]);
});

it("counts all of a batch while the last of it is answered, and stops the others then", async () => {
  const { log, model } = modelThat((request, index) =>
    index === 3 ? Promise.resolve({ timings: TIMINGS }) : untilStopped(request),
  );
  expect(await runBatch(model, { prompts: prompts(4), generateTokens: 7 })).toEqual({
    ...TIMINGS,
    promptTokensPerSecond: 100,
    generationTokensPerSecond: 80,
  });
  expect(log.map(({ maxTokens }) => maxTokens)).toEqual([90, 90, 90, 7]);
  expect(log.every(({ signal }) => signal?.aborted)).toBe(true);
});

it("refuses to count what ended before the last", async () => {
  const { model } = modelThat(async () => ({ timings: TIMINGS }));
  await expect(runBatch(model, { prompts: prompts(2), generateTokens: 7 })).rejects.toMatchObject({
    code: "CONTEXT_TOO_LONG",
  });
});

it("passes on what failed beside the last", async () => {
  const { model } = modelThat(async (_, index) => {
    if (index === 0) throw new Error("broken");
    return { timings: TIMINGS };
  });
  await expect(runBatch(model, { prompts: prompts(2), generateTokens: 7 })).rejects.toThrow("broken");
});

it("ends with the signal's reason", async () => {
  const abort = new AbortController();
  const { model } = modelThat(untilStopped);
  const running = runBatch(model, { prompts: prompts(2), generateTokens: 7, signal: abort.signal });
  abort.abort(new Error("enough"));
  await expect(running).rejects.toThrow("enough");
});

it("measures a real model", async () => {
  await using model = await loadModel(TINY_MODEL);
  const batch = [
    [1, 2, 3],
    [4, 5, 6],
    [7, 8, 9],
  ].map((ids) => Uint32Array.from(ids));
  const timings = await runBatch(model, { prompts: batch, generateTokens: 8 });
  expect(timings.generationTokensPerSecond).toBeGreaterThan(0);
  expect(timings.promptTokensPerSecond).toBeGreaterThan(0);
});
