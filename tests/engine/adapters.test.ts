/** LoRA and DoRA against mlx-lm's own layers in float32. Goldens: scripts/make-goldens.py. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { loadModel, type Model } from "../../src/index.js";
import { adapterSpec, readAdapter } from "../../src/models/adapter.js";
import {
  compareWithGolden,
  type Generate,
  type GoldenRun,
  LOGPROBS,
  readGolden,
  withTemporaryDirectory,
} from "../helpers/golden.js";
import { withNativeModel } from "../helpers/golden-native.js";
import { adapterTensors, type RandomAdapterSpec, writeRandomAdapter } from "../helpers/random-adapter.js";
import { type RandomModelSpec, writeRandomModel } from "../helpers/random-model.js";

type Case = RandomModelSpec & { adapter: RandomAdapterSpec; runs: GoldenRun[] };
const { cases } = readGolden<{ cases: Case[] }>("adapters");
const PROMPT = [5, 9, 200, 31, 77, 140];

/** A directory with the case's model and adapter. */
async function withCase(
  { runs: _, adapter, ...spec }: Case,
  use: (model: string, adapter: string) => Promise<void>,
): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    const model = await writeRandomModel(spec, join(directory, "model"));
    await use(model, await writeRandomAdapter(adapter, join(directory, "adapter")));
  });
}

async function expectGolden(runs: readonly GoldenRun[], generate: Generate): Promise<void> {
  for (const run of runs) {
    const { differences, meanError } = await compareWithGolden(run, generate);
    expect(differences).toEqual([]);
    expect(meanError).toBeLessThanOrEqual(run.bf16Error);
  }
}

function generateOn(model: Model): Generate {
  return async (prompt, maxTokens) => {
    const { tokens } = await model.generate({ prompt, maxTokens, logprobs: LOGPROBS, ignoreEos: true });
    return tokens.map(({ id, top }) => ({ id, top: top ?? [] }));
  };
}

describe("generates the same tokens as mlx-lm with the adapter, as near as its bf16 run's", () => {
  test.each(cases)("for $name", (row) =>
    withCase(row, async (directory, adapter) => {
      await using model = await loadModel(directory, { adapter });
      await expectGolden(row.runs, generateOn(model));
    }),
  );

  test.each(cases)("for $name, by MLX's own operations", (row) =>
    withCase(row, async (directory, path) => {
      const spec = adapterSpec(await readAdapter(path), 1);
      await withNativeModel(directory, { stockOps: true }, (generate) => expectGolden(row.runs, generate), spec);
    }),
  );
});

describe("an adapter", () => {
  const first = cases[0] as Case;
  let model: Model;
  let folder: string;
  let plain: number[];
  let adapted: number[];
  let done: () => void;
  let removed: Promise<void>;
  const ids = async (prompt = PROMPT, on = model) =>
    (await on.generate({ prompt, maxTokens: 12, ignoreEos: true })).tokens.map(({ id }) => id);

  beforeAll(
    () =>
      new Promise<void>((ready, failed) => {
        removed = withTemporaryDirectory(async (directory) => {
          folder = directory;
          const { runs: _, adapter, ...spec } = first;
          await writeRandomAdapter(adapter, join(directory, "a"));
          await writeRandomAdapter({ ...adapter, seed: 77 }, join(directory, "b"));
          model = await loadModel(await writeRandomModel(spec, join(directory, "model")), { threads: 2 });
          plain = await ids();
          await model.setAdapter(join(folder, "a"));
          adapted = await ids();
          await model.setAdapter(undefined);
          ready();
          await new Promise<void>((resolve) => {
            done = resolve;
          });
          await model.dispose();
        });
        removed.catch(failed);
      }),
  );
  afterAll(async () => {
    done();
    await removed;
  });

  it("is changed and taken off without loading the model again", async () => {
    expect(adapted).not.toEqual(plain);
    expect(model.adapter).toBeUndefined();
    expect(await ids()).toEqual(plain);
    await model.setAdapter(join(folder, "a"));
    expect(model.adapter).toBe(join(folder, "a"));
    expect(await ids()).toEqual(adapted);
    await model.setAdapter(join(folder, "b"));
    const other = await ids();
    expect([plain, adapted]).not.toContainEqual(other);
    await model.setAdapter(join(folder, "a"));
    expect(await ids()).toEqual(adapted);
    await model.setAdapter(undefined);
    expect(await ids()).toEqual(plain);
  });

  it("serves the requests that began with it, beside others of other adapters", async () => {
    const long = { prompt: PROMPT, maxTokens: 60, ignoreEos: true };
    const alone = (await model.generate(long)).tokens;
    await model.setAdapter(join(folder, "a"));
    const aloneAdapted = (await model.generate(long)).tokens;
    await model.setAdapter(undefined);

    const running = model.generate(long);
    await new Promise((resolve) => setTimeout(resolve, 1));
    await model.setAdapter(join(folder, "a"));
    const runningAdapted = model.generate(long);
    await new Promise((resolve) => setTimeout(resolve, 1));
    await model.setAdapter(join(folder, "b"));
    const third = model.generate(long);
    expect((await running).tokens).toEqual(alone);
    expect((await runningAdapted).tokens).toEqual(aloneAdapted);
    expect([alone, aloneAdapted]).not.toContainEqual((await third).tokens);
    await model.setAdapter(undefined);
  });

  it("does not use what another one, or none, has computed of a prompt", async () => {
    const prompt = Array.from({ length: 40 }, (_, i) => (i * 7) % 300);
    const cached = async () => (await model.generate({ prompt, maxTokens: 1 })).usage.cachedTokens;
    await cached();
    expect(await cached()).toBeGreaterThan(30);
    await model.setAdapter(join(folder, "a"));
    expect(await cached()).toBe(0);
    expect(await cached()).toBeGreaterThan(30);
    await model.setAdapter(undefined);
    expect(await cached()).toBe(0);
  });

  it("gives a token the same bits in any chunk and in company", async () => {
    await model.setAdapter(join(folder, "a"));
    const prompts = [1, 2, 3].map((n) => Array.from({ length: 50 * n }, (_, i) => (i * 7 * n) % 300));
    const together = await Promise.all(prompts.map((prompt) => ids(prompt)));
    await using other = await loadModel(model.info.path, { adapter: join(folder, "a"), prefillChunk: 7, threads: 1 });
    for (const [i, prompt] of prompts.entries()) expect(await ids(prompt, other)).toEqual(together[i]);
    const [vector] = await model.embed([PROMPT]);
    expect((await other.embed([PROMPT]))[0]).toEqual(vector);
    await model.setAdapter(undefined);
    expect((await model.embed([PROMPT]))[0]).not.toEqual(vector);
  });

  it("of one work is one, whatever is set meanwhile", async () => {
    const text = Array.from({ length: 200 }, (_, i) => (i * 11) % 300);
    const options = { sequenceLength: 10 };
    const { perplexity } = await model.perplexity(text, options);
    let changed: Promise<void> | undefined;
    await model.setAdapter(join(folder, "a"));
    const expected = await model.perplexity(text, options);
    expect(expected.perplexity).not.toBe(perplexity);
    const onProgress = () => {
      changed ??= model.setAdapter(undefined);
    };
    expect(await model.perplexity(text, { ...options, onProgress })).toEqual(expected);
    await changed;
    expect((await model.perplexity(text, options)).perplexity).toBe(perplexity);
  });

  it("that can't be loaded leaves what was set; of several the last holds", async () => {
    await model.setAdapter(join(folder, "a"));
    await expect(model.setAdapter(join(folder, "absent"))).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
    expect(await ids()).toEqual(adapted);
    const changes = [join(folder, "b"), undefined, join(folder, "a")].map((path) => model.setAdapter(path));
    await Promise.all(changes);
    expect(await ids()).toEqual(adapted);
    await model.setAdapter(undefined);
    await expect(model.setAdapter("")).rejects.toMatchObject({ code: "INVALID_OPTION" });
  });

  it("of another model is refused, with what does not fit, up to five", async () => {
    const wrong = cases[1] as Case;
    const path = await writeRandomAdapter(wrong.adapter, join(folder, "wrong"));
    // The same names and sizes: what tells is that two layers have another shape.
    const tensors = adapterTensors(first.adapter).map((tensor) =>
      tensor.name.includes("k_proj.lora_b") ? { ...tensor, shape: [8, 1], data: new Uint8Array(32) } : tensor,
    );
    const misshapen = await writeRandomAdapter(first.adapter, join(folder, "misshapen"), { tensors });
    await expect(model.setAdapter(misshapen)).rejects.toMatchObject({
      code: "WEIGHTS_MISMATCH",
      message: expect.stringMatching(
        /misshapen.*'model\.layers\.0\.self_attn\.k_proj\.lora_b' has shape \[8, 1\], expected \[8, \d+\]; '.*\.1\./s,
      ),
    });
    const elsewhere = adapterTensors(first.adapter).map((tensor) => ({
      ...tensor,
      name: tensor.name.replace(/layers\.(\d)/, "layers.4$1"),
    }));
    const beyond = await writeRandomAdapter(first.adapter, join(folder, "beyond"), { tensors: elsewhere });
    await expect(model.setAdapter(beyond)).rejects.toMatchObject({
      code: "WEIGHTS_MISMATCH",
      message: expect.stringMatching(/'model\.layers\.40\.[\w.]+' is no linear layer of the model.*; and 9 more\./),
    });
    // This one fits by its shapes.
    await model.setAdapter(path);
    await model.setAdapter(undefined);
  });

  it("with values that are not finite is refused", async () => {
    for (const [name, value] of [
      ["lora_a", Number.NaN],
      ["lora_b", Number.POSITIVE_INFINITY],
    ] as const) {
      const tensors = adapterTensors(first.adapter);
      const tensor = tensors.find((one) => one.name.endsWith(name));
      if (tensor) tensor.data = new Uint8Array(new Float32Array(tensor.data.slice().buffer).fill(value, 3, 4).buffer);
      const path = await writeRandomAdapter(first.adapter, join(folder, name), { tensors });
      await expect(model.setAdapter(path)).rejects.toMatchObject({
        code: "MODEL_CORRUPT",
        message: expect.stringContaining("not finite"),
      });
    }
  });

  it("that is being loaded when the model is disposed of is waited for", async () => {
    const other = await loadModel(model.info.path);
    const setting = other.setAdapter(join(folder, "a"));
    await other.dispose();
    await setting;
    await expect(other.setAdapter(undefined)).rejects.toMatchObject({ code: "MODEL_DISPOSED" });
  });

  it("that does not load lets go of the model that was to have it", async () => {
    await expect(loadModel(model.info.path, { adapter: join(folder, "absent") })).rejects.toMatchObject({
      code: "MODEL_NOT_FOUND",
      message: expect.stringContaining("there is no such adapter"),
    });
  });
});
