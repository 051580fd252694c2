import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadModel } from "../../../src/api/load-model.js";
import { benchmark, bytesPerToken } from "../../../src/bench/benchmark.js";
import { Fillings } from "../../../src/bench/fillings.js";
import { makeShapeModel } from "../../../src/bench/shape-model.js";
import { SHAPES, type Shape, shapeTensors } from "../../../src/bench/shapes.js";
import { openModelDirectory } from "../../../src/models/model-directory.js";
import { FLOAT_QUANTIZATIONS } from "../../../src/models/quantization-config.js";
import { loadBinding } from "../../../src/native/binding.js";

const SMALL: Shape = {
  modelType: "qwen2",
  hiddenSize: 128,
  layers: 2,
  heads: 2,
  keyValueHeads: 1,
  headDim: 64,
  intermediateSize: 256,
  vocabSize: 512,
  tied: false,
};

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "punie-shapes-"));
});
afterEach(() => rmSync(parent, { recursive: true }));

describe("the shapes", () => {
  // Of the repositories' own model cards.
  it.each([
    ["qwen2.5-coder-0.5b", 0.49e9],
    ["qwen2.5-coder-1.5b", 1.54e9],
    ["qwen2.5-coder-3b", 3.09e9],
    ["qwen2.5-coder-7b", 7.61e9],
    ["qwen2.5-coder-14b", 14.7e9],
    ["qwen3-0.6b", 0.6e9],
    ["qwen3-4b", 4.02e9],
    ["qwen3-8b", 8.2e9],
    ["qwen3-coder-30b-a3b", 30.5e9],
  ] as const)("%s has as many weights as published", (name, weights) => {
    const count = shapeTensors(SHAPES[name])
      .filter(({ fill }) => fill !== "scale" && fill !== "bias")
      .reduce((sum, { dtype, shape }) => sum + shape.reduce((a, b) => a * b) * (dtype === "U32" ? 8 : 1), 0);
    expect(count / weights).toBeCloseTo(1, 1.5);
  });
});

describe("a model of a shape", () => {
  it.each([false, true])("is one that can be loaded and gives finite logits (tied: %s)", async (tied) => {
    const made = await makeShapeModel({ ...SMALL, tied }, { parents: [parent] });
    await using model = await loadModel(made.path);
    const { tokens } = await model.generate({ prompt: [1, 2, 3], maxTokens: 8, ignoreEos: true, logprobs: 0 });
    expect(tokens).toHaveLength(8);
    expect(tokens.every(({ logprob }) => Number.isFinite(logprob))).toBe(true);
    expect(made.bytes).toBe((await openModelDirectory(made.path)).weightBytes);
    await made.remove();
    expect(existsSync(made.path)).toBe(false);
  });

  it.each([
    ...[2, 3, 5, 6, 8].map((bits) => ({ mode: "affine", bits, groupSize: 32 }) as const),
    ...FLOAT_QUANTIZATIONS,
  ])("of $bits bits, $mode, does, too", async (quantization) => {
    const made = await makeShapeModel(SMALL, { parents: [parent], quantization });
    await using model = await loadModel(made.path);
    expect(model.info.quantization).toEqual(quantization);
    const { tokens } = await model.generate({ prompt: [1, 2, 3], maxTokens: 4, ignoreEos: true, logprobs: 0 });
    expect(tokens.every(({ logprob }) => Number.isFinite(logprob))).toBe(true);
  });

  it.each(FLOAT_QUANTIZATIONS)("of experts in $mode does, and its router stays affine", async (quantization) => {
    const experts = { count: 8, perToken: 2, intermediateSize: 64 };
    const shape: Shape = { ...SMALL, tied: true, modelType: "qwen3_moe", experts };
    const made = await makeShapeModel(shape, { parents: [parent], quantization });
    const config = JSON.parse(readFileSync(join(made.path, "config.json"), "utf8"));
    expect(config.quantization["model.layers.1.mlp.gate"]).toEqual({ bits: 8, group_size: 64 });
    await using model = await loadModel(made.path);
    const { tokens } = await model.generate({ prompt: [1, 2, 3], maxTokens: 4, ignoreEos: true, logprobs: 0 });
    expect(tokens.every(({ logprob }) => Number.isFinite(logprob))).toBe(true);
  });

  it.each([{ mode: "affine", bits: 4, groupSize: 64 } as const, ...FLOAT_QUANTIZATIONS])(
    "has weights in $mode of the variance that keeps activations",
    async (quantization) => {
      const { mode, bits, groupSize } = quantization;
      const columns = 1536;
      const rows = 64;
      const fillings = new Fillings();
      const part = (fill: "weight" | "scale" | "bias", rowBytes: number) =>
        fillings.of({ name: "any", dtype: "U8", shape: [], fill, columns, quantization }).slice(0, rows * rowBytes);
      const scaleBytes = (columns / groupSize) * (mode === "affine" ? 2 : 1);
      const { data } = await loadBinding().convertRows({
        data: part("weight", (columns * bits) / 8),
        scales: part("scale", scaleBytes),
        ...(mode === "affine" && { biases: part("bias", scaleBytes) }),
        columns,
        dtype: "BF16",
        packed: quantization,
        cast: "F32",
      });
      const values = new Float32Array(data.buffer);
      const variance = values.reduce((sum, value) => sum + value * value, 0) / values.length;
      expect(variance * columns).toBeGreaterThan(0.7);
      expect(variance * columns).toBeLessThan(1.5);
    },
  );

  it("of experts reads those that are chosen", async () => {
    const experts = { count: 8, perToken: 2, intermediateSize: 64 };
    const made = await makeShapeModel({ ...SMALL, tied: true, modelType: "qwen3_moe", experts }, { parents: [parent] });
    await using model = await loadModel(made.path);
    const { tokens } = await model.generate({ prompt: [1, 2, 3], maxTokens: 4, ignoreEos: true, logprobs: 0 });
    expect(tokens.every(({ logprob }) => Number.isFinite(logprob))).toBe(true);
    const all = made.bytes,
      read = await bytesPerToken(made.path);
    const { spec } = await openModelDirectory(made.path);
    const ofExperts = spec.tensors
      .filter(({ name }) => name.includes("switch_mlp"))
      .reduce((sum, t) => sum + t.bytes, 0);
    expect(all - read).toBe((ofExperts * 6) / 8);
  });

  it("is made where there is room, and told where", async () => {
    const told: unknown[] = [];
    const parents = [join(parent, "absent"), parent];
    const made = await makeShapeModel(SMALL, { parents, onStart: (bytes, path) => told.push(bytes, path) });
    expect(told).toEqual([made.bytes, made.path]);
    expect(dirname(made.path)).toBe(parent);
  });

  it("is refused when there is no room", async () => {
    const huge = { ...SMALL, vocabSize: 2 ** 45 };
    await expect(makeShapeModel(huge, { parents: [parent] })).rejects.toMatchObject({ code: "DISK_FULL" });
    expect(readdirSync(parent)).toEqual([]);
  });

  it("first deletes what a killed process left, and nothing else", async () => {
    const gone = spawnSync(process.execPath, ["-e", ""]).pid;
    const others = [`punie-shape-${process.ppid}-abcdef`, "punie-shape-mine", `other-${gone}-abcdef`];
    for (const name of [...others, `punie-shape-${gone}-abcdef`]) {
      mkdirSync(join(parent, name));
      writeFileSync(join(parent, name, "model.safetensors"), "");
    }
    const made = await makeShapeModel(SMALL, { parents: [join(parent, "absent"), parent] });
    expect(readdirSync(parent).sort()).toEqual([...others, basename(made.path)].sort());
  });

  it("leaves nothing behind when it is aborted", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(makeShapeModel(SMALL, { parents: [parent], signal })).rejects.toThrow("enough");
    expect(readdirSync(parent)).toEqual([]);
  });
});

describe("a benchmark", () => {
  it("measures a model without a tokenizer", async () => {
    const made = await makeShapeModel(SMALL, { parents: [parent] });
    await using model = await loadModel(made.path);
    const repeats: number[] = [];
    const measured = await benchmark(model, {
      promptTokens: 16,
      generateTokens: 4,
      repeats: 2,
      onRepeat: (done) => repeats.push(done),
    });
    expect(repeats).toEqual([1, 2]);
    for (const name of ["promptTokensPerSecond", "generationTokensPerSecond", "firstTokenMs"] as const) {
      const { min, median, max } = measured[name];
      expect(min).toBeGreaterThan(0);
      expect(median).toBeGreaterThanOrEqual(min);
      expect(max).toBeGreaterThanOrEqual(median);
    }
    expect(measured.modelBytes).toBe(made.bytes);
    expect(measured.peakMemoryBytes).toBeGreaterThan(made.bytes);
  });

  it("counts the embedding as read for each token only where it is the output layer too", async () => {
    const embedding = 512 * (128 / 2 + 2 * 2 * (128 / 64));
    const untied = await makeShapeModel(SMALL, { parents: [parent] });
    expect(await bytesPerToken(untied.path)).toBe(untied.bytes - embedding);
    const tied = await makeShapeModel({ ...SMALL, tied: true }, { parents: [parent] });
    expect(await bytesPerToken(tied.path)).toBe(tied.bytes);
  });
});
