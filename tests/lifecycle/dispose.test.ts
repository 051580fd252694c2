import { afterEach, describe, expect, it } from "vitest";
import { loadModel, type Model } from "../../src/index.js";
import { TINY_MODEL } from "../helpers/tiny-model.js";

const LONG = { prompt: [1, 2, 3], ignoreEos: true, maxTokens: 500 };

const models: Model[] = [];
afterEach(async () => {
  for (const model of models.splice(0)) await model.dispose();
});

async function open(): Promise<Model> {
  const model = await loadModel(TINY_MODEL);
  models.push(model);
  return model;
}

describe("dispose, on the real addon", () => {
  it("waits for a generation in flight", async () => {
    const model = await open();
    const generating = model.generate(LONG);
    await model.dispose();
    expect((await generating).usage.completionTokens).toBe(500);
  });

  it("waits for all that are queued, and lets a slow reader have the rest", async () => {
    const model = await open();
    const [first, second] = [model.generate(LONG), model.generate(LONG)];
    let finished = false;
    for await (const part of model.stream({ ...LONG, maxTokens: 20 })) {
      await model.dispose();
      finished = part.type === "finish";
    }
    expect(finished).toBe(true);
    expect((await first).text).toBe((await second).text);
  });

  it("called many times at once, and again later, is one", async () => {
    const model = await open();
    await Promise.all([model.dispose(), model.dispose(), model[Symbol.asyncDispose]()]);
    await model.dispose();
  });

  it("makes every later use an error, also of streams made before and not begun", async () => {
    const model = await open();
    const stream = model.stream(LONG);
    await model.dispose();
    const disposed = { code: "MODEL_DISPOSED" };
    await expect(stream.next()).rejects.toMatchObject(disposed);
    await expect(model.generate(LONG)).rejects.toMatchObject(disposed);
    await expect(model.tokenize("x")).rejects.toMatchObject(disposed);
    await expect(model.detokenize([1])).rejects.toMatchObject(disposed);
    await expect(model.applyChatTemplate([{ role: "user", content: "x" }])).rejects.toMatchObject(disposed);
    expect(() => model.memory()).toThrow(expect.objectContaining(disposed));
    expect(model.info.modelType).toBe("qwen2");
  });

  it("of one model leaves another at work", async () => {
    const [gone, kept] = [await open(), await open()];
    const generating = kept.generate(LONG);
    await gone.dispose();
    expect((await generating).usage.completionTokens).toBe(500);
  });

  it("after an aborted request returns promptly", async () => {
    const model = await open();
    const stop = new AbortController();
    const generating = model.generate({ ...LONG, signal: stop.signal });
    setTimeout(() => stop.abort(new Error("enough")), 50);
    await expect(generating).rejects.toThrow("enough");
    await model.dispose();
  });

  it("follows loading, twenty times over, without trouble", async () => {
    for (let i = 0; i < 20; i++) {
      const model = await loadModel(TINY_MODEL);
      await model.dispose();
    }
  });
});
