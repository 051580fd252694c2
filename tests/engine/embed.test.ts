/** Embeddings against mlx-lm's hidden states in float32. Goldens: scripts/make-goldens.py. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { type EmbedOptions, loadModel, type Model } from "../../src/index.js";
import { readGolden, withTemporaryDirectory } from "../helpers/golden.js";
import { withPromptTasks } from "../helpers/native-tasks.js";
import { type RandomModelSpec, tensorsOf, writeRandomModel } from "../helpers/random-model.js";
import { type RawTensor, writeSafetensors } from "../helpers/random-model-file.js";
import { copyTinyModel, TINY_MODEL } from "../helpers/tiny-model.js";

interface Run {
  ids: number[];
  last: number[];
  mean: number[];
}
type TextRow = EmbedOptions & { text: string; vector: number[] };
const golden = readGolden<{ texts: TextRow[]; models: (RandomModelSpec & { runs: Run[] })[] }>("embeddings");

/** Of the angle between our vector and the reference: 1e-3 is asked for, and many times more is there. */
const MOST_COSINE_DISTANCE = 1e-5;

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((sum, value, i) => sum + value * (b[i] as number), 0);
}

function expectVector(vector: Float32Array | undefined, expected: number[]): void {
  expect(vector).toHaveLength(expected.length);
  expect(dot(vector as Float32Array, vector as Float32Array)).toBeCloseTo(1, 6);
  expect(1 - dot(vector as Float32Array, expected)).toBeLessThan(MOST_COSINE_DISTANCE);
}

let model: Model;
beforeAll(async () => {
  model = await loadModel(TINY_MODEL, { threads: 2, contextLength: 512 });
});
afterAll(() => model.dispose());

describe("embeds as mlx-lm's hidden states say", () => {
  test.each(golden.texts)("$text, $pooling $instruction $dimensions", async ({ text, vector, ...options }) => {
    const [ours] = await model.embed([text], options);
    expectVector(ours, vector);
  });

  test.each(golden.models)("for $name", async ({ runs, ...spec }) => {
    await withTemporaryDirectory(async (directory) => {
      await using random = await loadModel(await writeRandomModel(spec, directory), { prefillChunk: 128 });
      for (const pooling of ["last", "mean"] as const) {
        const vectors = await random.embed(
          runs.map(({ ids }) => ids),
          { pooling },
        );
        for (const [i, run] of runs.entries()) expectVector(vectors[i], run[pooling]);
      }
    });
  });
});

describe("embed", () => {
  const texts = Array.from({ length: 40 }, (_, i) => `Text ${i} ${"of more words ".repeat(i % 7)}`);

  it("gives each text the same vector bit for bit, alone, in company, and beside an answer", async () => {
    const answering = model.generate({ prompt: [1, 2, 3], ignoreEos: true, maxTokens: 100 });
    const together = await model.embed(texts);
    await answering;
    for (const [i, text] of texts.entries()) expect((await model.embed([text]))[0]).toEqual(together[i]);
    expect(new Set(together.map(String)).size).toBe(texts.length);
  });

  it("gives the same mean in any chunks", async () => {
    const ids = Uint32Array.from({ length: 300 }, (_, i) => (i * 37) % 1200);
    const vectors: unknown[] = [];
    for (const prefillChunk of [512, 7]) {
      await withPromptTasks(TINY_MODEL, { prefillChunk }, async (run) => {
        vectors.push((await run({ ids, pooling: "mean" })).embedding);
      });
    }
    expect(vectors[1]).toEqual(vectors[0]);
  });

  it("with MLX's own operations gives nearly the same", async () => {
    const ids = Uint32Array.from({ length: 50 }, (_, i) => (i * 37) % 1200);
    const vectors: Float32Array[] = [];
    for (const stockOps of [false, true]) {
      await withPromptTasks(TINY_MODEL, { stockOps }, async (run) => {
        vectors.push((await run({ ids, pooling: "mean" })).embedding as Float32Array);
      });
    }
    const [ours, stock] = vectors as [Float32Array, Float32Array];
    const cosine = dot(ours, stock) / Math.sqrt(dot(ours, ours) * dot(stock, stock));
    expect(1 - cosine).toBeLessThan(MOST_COSINE_DISTANCE);
  });

  it("leaves a conversation's kept prefix as it is", async () => {
    const prompt = Array.from({ length: 60 }, (_, i) => i);
    await model.generate({ prompt, maxTokens: 1 });
    await model.embed(texts);
    expect((await model.generate({ prompt: [...prompt, 61], maxTokens: 1 })).usage.cachedTokens).toBeGreaterThan(50);
  });

  it("of no texts is no vectors", async () => {
    expect(await model.embed([])).toEqual([]);
  });

  it("stops when its signal aborts, and the model stays usable", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const running = model.embed(texts, { signal: stop.signal });
    stop.abort(reason);
    await expect(running).rejects.toBe(reason);
    expect(await model.embed(["x"])).toHaveLength(1);
  });

  it("pools as 1_Pooling/config.json says, unless it is told", async () => {
    const { path, remove } = await copyTinyModel();
    try {
      await mkdir(join(path, "1_Pooling"));
      const pooling = (fields: object) =>
        writeFile(join(path, "1_Pooling", "config.json"), JSON.stringify({ word_embedding_dimension: 128, ...fields }));
      await using copy = await loadModel(path);
      await pooling({ pooling_mode_mean_tokens: true, pooling_mode_lasttoken: false });
      expect(await copy.embed(["x y"])).toEqual(await model.embed(["x y"], { pooling: "mean" }));
      expect(await copy.embed(["x y"], { pooling: "last" })).toEqual(await model.embed(["x y"]));
      await pooling({ pooling_mode_cls_token: true });
      await expect(copy.embed(["x y"])).rejects.toMatchObject({ code: "MODEL_UNSUPPORTED" });
      await pooling({ pooling_mode_lasttoken: "yes" });
      await expect(copy.embed(["x y"])).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
    } finally {
      await remove();
    }
  });

  it.each([
    ["a text that is none", () => model.embed([7 as never]), "texts[0]: expected a text or an array of token ids"],
    ["an empty text", () => model.embed(["a", ""]), "texts[1]: expected a text that is not empty"],
    ["one text in place of an array", () => model.embed("abc" as never), "texts: expected an array of texts"],
    [
      "more dimensions than there are",
      () => model.embed(["a"], { dimensions: 129 }),
      "dimensions: expected an integer",
    ],
    ["another pooling", () => model.embed(["a"], { pooling: "cls" as never }), "pooling: expected one of last, mean"],
    ["an empty instruction", () => model.embed(["a"], { instruction: "" }), "instruction: expected a string"],
  ])("refuses %s", async (_, run, message) => {
    await expect(run()).rejects.toMatchObject({ code: "INVALID_OPTION", message: expect.stringContaining(message) });
  });

  it("refuses a text longer than the context", async () => {
    const error = { code: "CONTEXT_TOO_LONG", message: "texts[1] takes 513 tokens; the context holds 512." };
    await expect(model.embed(["a", new Uint32Array(513)])).rejects.toMatchObject(error);
    expect(await model.embed([new Uint32Array(512)])).toHaveLength(1);
  });
});

describe("an embedding model's checkpoint", () => {
  const untied = golden.models.find(({ config }) => !config.tie_word_embeddings) as (typeof golden.models)[number];
  const tied = golden.models.find(({ config }) => config.tie_word_embeddings) as (typeof golden.models)[number];

  /** The golden's model with its tensors changed. */
  async function writeChanged(spec: RandomModelSpec, directory: string, change: (tensors: RawTensor[]) => RawTensor[]) {
    await writeRandomModel(spec, directory);
    await writeSafetensors(join(directory, "model.safetensors"), change(tensorsOf(spec)), 0);
  }
  const bare = (tensors: RawTensor[]) => tensors.map((t) => ({ ...t, name: t.name.replace(/^model\./, "") }));
  const headless = (tensors: RawTensor[]) => tensors.filter(({ name }) => !name.startsWith("lm_head"));

  async function expectGolden(directory: string, { runs }: { runs: Run[] }): Promise<Model> {
    const loaded = await loadModel(directory);
    const [vector] = await loaded.embed([(runs[1] as Run).ids]);
    expectVector(vector, (runs[1] as Run).last);
    return loaded;
  }

  it("that has the decoder alone, without 'model.' and lm_head, embeds and says that it can't generate", async () => {
    await withTemporaryDirectory(async (directory) => {
      await writeChanged(untied, directory, (tensors) => bare(headless(tensors)));
      await using loaded = await expectGolden(directory, untied);
      const refused = { code: "MODEL_UNSUPPORTED", message: expect.stringContaining("no output head (lm_head)") };
      await expect(loaded.generate({ prompt: [1, 2] })).rejects.toMatchObject(refused);
      await expect(loaded.perplexity([1, 2])).rejects.toMatchObject(refused);
    });
  });

  it("without 'model.' whose head is its embedding generates too", async () => {
    await withTemporaryDirectory(async (directory) => {
      await writeChanged(tied, directory, bare);
      await using loaded = await expectGolden(directory, tied);
      expect((await loaded.generate({ prompt: [1, 2], maxTokens: 2, ignoreEos: true })).tokens).toHaveLength(2);
    });
  });

  it("of sentence-transformers needs no lm_head, and any other model does", async () => {
    await withTemporaryDirectory(async (directory) => {
      await writeChanged(untied, directory, headless);
      await expect(loadModel(directory)).rejects.toMatchObject({
        code: "WEIGHTS_MISMATCH",
        message: expect.stringContaining("'lm_head.weight' is missing"),
      });
      await writeFile(join(directory, "modules.json"), "[]");
      await (await expectGolden(directory, untied)).dispose();
    });
  });
});
