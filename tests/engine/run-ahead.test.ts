/** Greedy answers with MLX's own operations, whose next pass is submitted before the last token is read. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openModelDirectory } from "../../src/models/model-directory.js";
import { loadBinding } from "../../src/native/binding.js";
import type { NativeEvent, NativeModel, NativeRequest } from "../../src/native/binding-types.js";
import { readGolden, withTemporaryDirectory } from "../helpers/golden.js";
import { GREEDY } from "../helpers/golden-native.js";
import { type RandomModelSpec, writeRandomModel } from "../helpers/random-model.js";

const CONTEXT = 96;
const { cases } = readGolden<{ cases: (RandomModelSpec & { name: string })[] }>("random-models");
const named = (pattern: RegExp) => cases.find(({ name }) => pattern.test(name)) as RandomModelSpec & { name: string };
/** One with attention alone, one with experts, and one with a state that can't be taken back. */
const MODELS = [named(/^qwen2, 4 bits/), named(/^qwen3_moe, 4 bits/), named(/^qwen3_next, 4 bits/)];

type Ended = Extract<NativeEvent, { type: "finish" | "error" }>;
type Asked = Partial<NativeRequest> & { cancelAfter?: number };

/** Requests of one model, started together: what each gave, and how it ended. */
class Runner {
  readonly #model: Promise<NativeModel>;
  readonly #ids = new Map<number, number[]>();
  readonly #ended = new Map<number, (event: Ended) => void>();
  readonly #cancelAfter = new Map<number, number>();
  #next = 0;

  constructor(directory: string) {
    this.#model = openModelDirectory(directory).then(({ spec }) =>
      loadBinding().loadModel(spec, {
        device: "cpu",
        threads: 2,
        contextLength: CONTEXT,
        prefillChunk: 32,
        stockOps: true,
        onEvents: (events) => void events.forEach((event) => void this.#take(event)),
      }),
    );
  }

  async #take(event: NativeEvent): Promise<void> {
    if (event.type === "token") {
      const ids = this.#ids.get(event.request) ?? [];
      ids.push(event.id);
      if (ids.length === this.#cancelAfter.get(event.request)) (await this.#model).cancel(event.request);
    } else if (event.type === "finish" || event.type === "error") this.#ended.get(event.request)?.(event);
  }

  async together(...requests: Asked[]): Promise<{ ids: number[]; end: Ended }[]> {
    const model = await this.#model;
    return await Promise.all(
      requests.map(async ({ cancelAfter, ...request }) => {
        const id = this.#next++;
        const ids: number[] = [];
        this.#ids.set(id, ids);
        if (cancelAfter !== undefined) this.#cancelAfter.set(id, cancelAfter);
        const end = new Promise<Ended>((resolve) => this.#ended.set(id, resolve));
        const usual = { prompt: Uint32Array.of(1, 2, 3), maxTokens: 12, stopIds: [], sampling: GREEDY, logprobs: -1 };
        model.start({ id, ...usual, ...request });
        return { ids, end: await end };
      }),
    );
  }

  async close(): Promise<void> {
    await (await this.#model).dispose();
  }
}

const prompts = [
  [1, 2, 3],
  [7, 7, 1, 9, 4],
  [5, 11],
].map((ids) => Uint32Array.from(ids));

describe.each(MODELS)("a greedy answer of $name", (spec) => {
  let runner: Runner;
  let close: () => void;
  beforeAll(async () => {
    await new Promise<void>((ready) => {
      void withTemporaryDirectory(async (directory) => {
        runner = new Runner(await writeRandomModel(spec, directory));
        await runner.together({ maxTokens: 1 });
        await new Promise<void>((resolve) => {
          close = resolve;
          ready();
        });
      });
    });
  });
  afterAll(async () => {
    await runner.close();
    close();
  });

  /** With log-probabilities all logits are read, and nothing is submitted ahead. */
  const stepByStep = async (request: Asked) => (await runner.together({ ...request, logprobs: 0 }))[0]?.ids;

  test.each(prompts)("is what it is when each token is read first: %j", async (...ids) => {
    const request = { prompt: Uint32Array.from(ids), maxTokens: 40 };
    const [ahead] = await runner.together(request);
    expect(ahead?.ids).toEqual(await stepByStep(request));
    expect(ahead?.ids).toHaveLength(40);
  });

  test("is the same among others that end sooner, are cancelled, are sampled, or come later", async () => {
    const alone = await Promise.all(prompts.map((prompt) => stepByStep({ prompt, maxTokens: 30 })));
    const [first, second, third] = await runner.together(
      { prompt: prompts[0] as Uint32Array, maxTokens: 30 },
      { prompt: prompts[1] as Uint32Array, maxTokens: 30, cancelAfter: 5 },
      { prompt: prompts[2] as Uint32Array, maxTokens: 7 },
      { prompt: prompts[2] as Uint32Array, maxTokens: 9, sampling: { ...GREEDY, temperature: 1 } },
    );
    expect(first?.ids).toEqual(alone[0]);
    expect(second?.end).toMatchObject({ type: "finish", reason: "cancelled" });
    expect(second?.ids).toEqual(alone[1]?.slice(0, second?.ids.length));
    expect(third?.ids).toEqual(alone[2]?.slice(0, 7));
  });

  test("ends at a stop token, and at the context's end", async () => {
    const ids = (await stepByStep({ maxTokens: 30 })) as number[];
    const stop = ids[10] as number;
    const [stopped, full] = await runner.together({ maxTokens: 30, stopIds: [stop] }, { maxTokens: 1000 });
    expect(stopped?.end).toMatchObject({ type: "finish", reason: "stop" });
    expect(stopped?.ids).toEqual(ids.slice(0, ids.indexOf(stop)));
    expect(full?.end).toMatchObject({ type: "finish", reason: "length" });
    expect(full?.ids).toHaveLength(CONTEXT - 3);
  });

  test("can be gone on from: what was computed ahead is no part of what is kept", async () => {
    const [answer] = await runner.together({ maxTokens: 20 });
    const prompt = Uint32Array.from([1, 2, 3, ...(answer?.ids ?? []), 4, 5]);
    const [reused] = await runner.together({ prompt, maxTokens: 10 });
    await runner.together({ prompt: Uint32Array.of(9, 9, 9) });
    const [fresh] = await runner.together({ prompt, maxTokens: 10 });
    expect(reused?.ids).toEqual(fresh?.ids);
  });
});

test("logits that are not finite are an error there too", () =>
  withTemporaryDirectory(async (directory) => {
    const path = await writeRandomModel(MODELS[0] as RandomModelSpec, directory);
    const { spec } = await openModelDirectory(path);
    const norm = spec.tensors.find(({ name }) => name === "model.norm.weight");
    const file = join(path, "model.safetensors");
    const bytes = await readFile(file);
    bytes.fill(0xff, norm?.offset, (norm?.offset ?? 0) + (norm?.bytes ?? 0));
    await writeFile(file, bytes);
    const runner = new Runner(path);
    const [{ end } = {}] = await runner.together({});
    expect(end).toMatchObject({ type: "error", code: "MODEL_CORRUPT" });
    await runner.close();
  }));
