import { describe, expect, it } from "vitest";
import { type FitRequest, fitMemory } from "../../../src/memory/fit-memory.js";
import { cacheBytes, planMemory } from "../../../src/memory/memory-plan.js";
import { openModelDirectory } from "../../../src/models/model-directory.js";
import { TINY_MODEL } from "../../helpers/tiny-model.js";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** Half a gigabyte of weights, 64 KiB of keys and values for each of up to 32768 positions. */
async function request(changes: Partial<FitRequest>): Promise<FitRequest> {
  const { spec } = await openModelDirectory(TINY_MODEL);
  const config = {
    ...spec.config,
    hiddenLayers: 16,
    keyValueHeads: 8,
    headDim: 124,
    attentionHeads: 8,
    hiddenSize: 992,
    intermediateSize: 2048,
    vocabSize: 32_000,
  };
  const tensors = [{ name: "weights", file: 0, dtype: "U32" as const, shape: [1], offset: 0, bytes: GIB / 2 }];
  return {
    path: "/models/x",
    spec: { ...spec, config, tensors },
    device: "cpu",
    prefillChunk: 512,
    contextLength: 4096,
    longest: 32_768,
    memoryLimitBytes: undefined,
    cacheBytes: undefined,
    available: { totalBytes: 16 * GIB, availableBytes: 12 * GIB, of: "machine" },
    takenBytes: 0,
    ...changes,
  };
}

const available = (availableBytes: number, of: "machine" | "container" = "machine") => ({
  available: { totalBytes: 16 * GIB, availableBytes, of },
});

/** The error's message. */
async function refusal(changes: Partial<FitRequest>): Promise<string> {
  const asked = await request(changes);
  try {
    return `fits: ${JSON.stringify(fitMemory(asked))}`;
  } catch (error) {
    expect(error).toMatchObject({ code: "OUT_OF_MEMORY" });
    return (error as Error).message;
  }
}

async function room(bytesForCaches: number): Promise<{ memoryLimitBytes: number }> {
  const { spec } = await request({});
  const plan = planMemory(spec, { device: "cpu", prefillChunk: 512, contextLength: 4096 });
  return { memoryLimitBytes: plan.weightBytes + plan.workBytes + bytesForCaches };
}

describe("a model that fits", () => {
  it("gets the context that was asked for, and what is left for its caches", async () => {
    const { contextLength, cacheBytes: caches } = fitMemory(await request({}));
    expect(contextLength).toBe(4096);
    expect(caches).toBeGreaterThan(11 * GIB);
    expect(caches).toBeLessThan(11.5 * GIB);
  });

  it("gets no more room for its caches than cacheBytes", async () => {
    expect(fitMemory(await request({ cacheBytes: GIB }))).toEqual({ contextLength: 4096, cacheBytes: GIB });
  });

  it("with contextLength 'auto' gets the longest context that fits, up to its own longest", async () => {
    expect(fitMemory(await request({ contextLength: "auto" })).contextLength).toBe(32_768);
    const limited = { ...(await room(2048 * 64 * 1024)), contextLength: "auto" as const };
    expect(fitMemory(await request(limited)).contextLength).toBe(2048);
    expect(fitMemory(await request({ contextLength: "auto", cacheBytes: 5000 * 64 * 1024 })).contextLength).toBe(4864);
  });

  it("is believed to when the limit was given, or nobody knows what is available", async () => {
    expect(fitMemory(await request({ ...available(0), memoryLimitBytes: 12 * GIB })).contextLength).toBe(4096);
    expect(fitMemory(await request({ available: undefined })).cacheBytes).toBe(Number.MAX_SAFE_INTEGER);
  });
});

describe("a model that does not fit is refused with the arithmetic", () => {
  it("and with the context that would fit", async () => {
    expect(await refusal({ ...available(700 * MIB) })).toBe(
      "/models/x: the model does not fit: it takes 862 MiB, and 700 MiB of the machine's 16.0 GiB are available. It " +
        "needs 512 MiB of weights, 256 MiB of keys and values for a context of 4096 tokens (64.0 KiB each), 93.6 MiB of " +
        'work space. A context of 1280 tokens fits: load it with that contextLength (--context-length), or with "auto".',
    );
  });

  it("when not even a short context fits", async () => {
    const message = await refusal({ ...available(300 * MIB, "container"), contextLength: "auto" });
    expect(message).toMatch(/300 MiB of the container's 16.0 GiB are available/);
    expect(message).toMatch(/a context of 512 tokens .* Take a smaller model, or make room/);
  });

  it("for the limit that was given", async () => {
    expect(await refusal({ memoryLimitBytes: 600 * MIB })).toMatch(/its limit is 600 MiB \(memoryLimitBytes\)/);
    expect(await refusal({ cacheBytes: 10 * MIB })).toMatch(/its KV caches may take 10.0 MiB \(cacheBytes\)/);
  });

  it("for what other models take", async () => {
    expect(await refusal({ takenBytes: 11.5 * GIB })).toMatch(
      /512 MiB of the machine's 16.0 GiB are available, 11.5 GiB of other models' weights not counted/,
    );
  });
});

describe("the plan", () => {
  it("counts keys and values in 16 bits with their scales on the CPU, as the weights are on a GPU", async () => {
    const { spec } = await request({});
    const on = (device: "cpu" | "metal") =>
      planMemory(spec, { device, prefillChunk: 512, contextLength: 512 }).cacheBytesPerToken;
    expect(on("cpu")).toBe(16 * 8 * (2 * (124 + 128) + 8));
    expect(on("metal")).toBe(16 * 8 * 124 * 2 * 2);
  });

  it("counts caches in whole steps", async () => {
    const { spec } = await request({});
    const plan = planMemory(spec, { device: "cpu", prefillChunk: 512, contextLength: 512 });
    expect(cacheBytes(plan, 257)).toBe(512 * plan.cacheBytesPerToken);
  });
});
