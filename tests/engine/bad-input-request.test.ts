/** Requests and models that cannot work: each is refused by code, says why, and leaves the model usable. */
import { cp, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ErrorCode, loadModel, type Model, PunieError } from "../../src/index.js";
import { TINY_CODER, withTemporaryDirectory } from "../helpers/golden.js";
import { writeRandomModel } from "../helpers/random-model.js";
import { replacing, SMALL, smallIn, templateWith, weightsWith } from "../helpers/random-model-damage.js";

type Request = Parameters<Model["generate"]>[0];

const prompt = [1, 2, 3];
const messages = [{ role: "user" as const, content: "What is 2 + 2?" }];

/** The error that a promise rejects with. */
async function refusal(work: Promise<unknown>): Promise<PunieError> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(PunieError);
  return error as PunieError;
}

let model: Model;

beforeAll(async () => {
  model = await loadModel(TINY_CODER, { contextLength: 64 });
});

afterAll(() => model.dispose());

describe("a request is refused", () => {
  const rows: { what: string; request: unknown; code?: ErrorCode; says: RegExp }[] = [
    { what: "without a prompt", request: {}, says: /prompt.*messages/ },
    { what: "that is none", request: null, says: /request/ },
    { what: "with prompt and messages", request: { prompt, messages }, says: /prompt.*messages/ },
    { what: "with no ids", request: { prompt: [] }, says: /prompt/ },
    { what: "with an empty text", request: { prompt: "" }, says: /prompt/ },
    { what: "with a prompt that is a number", request: { prompt: 5 }, says: /prompt/ },
    { what: "with no messages", request: { messages: [] }, says: /messages/ },
    { what: "with messages that are none", request: { messages: "hello" }, says: /messages/ },
    { what: "with a role that is none", request: { messages: [{ role: "wizard", content: "x" }] }, says: /role/ },
    { what: "with an option that is none", request: { prompt, temprature: 1 }, says: /temprature/ },
    ...[1280, 2 ** 32, -1, 0.5, Number.NaN, "1", null].map((id) => ({
      what: `with the id ${id === null ? "null" : JSON.stringify(id)}`,
      request: { prompt: [1, id] },
      says: /prompt\[1\]/,
    })),
    ...Object.entries({
      maxTokens: [0, -1, 1.5, "10", Number.NaN, 2 ** 60],
      temperature: [-1, Number.NaN, Number.POSITIVE_INFINITY, "hot"],
      topP: [0, Number.MIN_VALUE, -0.1, 1.1, "x"],
      topK: [-1, 0.5, "x"],
      minP: [-0.1, 1.1],
      repetitionPenalty: [0, Number.MIN_VALUE, -1, Number.POSITIVE_INFINITY],
      repetitionContext: [-1, 0.5],
      presencePenalty: [3, "x"],
      frequencyPenalty: [-3, Number.NaN],
      logprobs: [-1, 0.5, 1e6],
      seed: [-1, 0.5, 2 ** 53, "x"],
      ignoreEos: ["yes"],
      stop: ["", [""], [5], 5],
      signal: [{}],
    }).flatMap(([name, values]) =>
      values.map((value) => ({
        what: `with ${name} ${typeof value === "number" ? value : JSON.stringify(value)}`,
        request: { prompt, [name]: value },
        says: new RegExp(name),
      })),
    ),
    ...[{ 1280: 1 }, { [-1]: 1 }, { x: 1 }, { 5: Number.NaN }, { 5: "1" }, [1], "5=1"].map((logitBias) => ({
      what: `with logitBias ${JSON.stringify(logitBias)}`,
      request: { prompt, logitBias },
      says: /logitBias/,
    })),
    {
      what: "with a prompt as long as the context",
      request: { prompt: Array(64).fill(1) },
      code: "CONTEXT_TOO_LONG",
      says: /64 tokens.*context holds 64/,
    },
    {
      what: "with a prompt far longer than the context",
      request: { prompt: "x ".repeat(50_000) },
      code: "CONTEXT_TOO_LONG",
      says: /context holds 64/,
    },
  ];

  test.each(rows)("$what", async ({ request, code = "INVALID_OPTION", says }) => {
    const error = await refusal(model.generate(request as Request));
    expect({ code: error.code, message: error.message }).toMatchObject({ code, message: expect.stringMatching(says) });
    expect(error.message.length).toBeLessThan(500);
    const stream = model.stream(request as Request);
    expect((await refusal(stream.next())).code).toBe(code);
  });

  test("and the next one is answered", async () => {
    await refusal(model.generate({ prompt: [] }));
    expect((await model.generate({ prompt, maxTokens: 3, ignoreEos: true })).tokens).toHaveLength(3);
  });
});

describe("options at their ends give finite text", () => {
  const ends = [
    { temperature: 1e-300 },
    { temperature: 1e-40 },
    { temperature: Number.MAX_VALUE },
    { temperature: 1, topP: 1e-30 },
    { temperature: 1, minP: 1 },
    { temperature: 1, topK: Number.MAX_SAFE_INTEGER },
    { temperature: 1, seed: Number.MAX_SAFE_INTEGER },
    { repetitionPenalty: 1e-38 },
    { temperature: 1, repetitionPenalty: 1e-38 },
    { temperature: 1, repetitionPenalty: Number.MAX_VALUE },
    { repetitionContext: 0, repetitionPenalty: 2 },
    { repetitionContext: Number.MAX_SAFE_INTEGER, repetitionPenalty: 2 },
    { temperature: 1, logitBias: { 5: Number.MAX_VALUE } },
    { temperature: 1, logitBias: { 5: Number.MAX_VALUE, 6: Number.MAX_VALUE }, repetitionPenalty: 2 },
    { temperature: 1, logitBias: Object.fromEntries(Array.from({ length: 1280 }, (_, i) => [i, -Number.MAX_VALUE])) },
    { maxTokens: Number.MAX_SAFE_INTEGER },
    { logprobs: 1000 },
    { logitBias: { 2: Number.MAX_VALUE }, repetitionPenalty: Number.MAX_VALUE },
    { temperature: 1, logitBias: { 2: Number.MAX_VALUE, 3: -Number.MAX_VALUE }, repetitionPenalty: 1e-38 },
  ];

  test.each(ends)("%o", async (options) => {
    const { tokens, finishReason } = await model.generate({ prompt, maxTokens: 4, ignoreEos: true, ...options });
    expect(tokens.every(({ id }) => Number.isInteger(id) && id >= 0 && id < 1280)).toBe(true);
    expect(tokens).toHaveLength("maxTokens" in options ? 61 : 4);
    expect(finishReason).toBe("length");
  });
});

test("of two ids with the largest bias one is drawn", async () => {
  const logitBias = { 5: Number.MAX_VALUE, 6: Number.MAX_VALUE };
  const drawn = await model.generate({ prompt, maxTokens: 40, temperature: 1, seed: 1, ignoreEos: true, logitBias });
  expect(new Set(drawn.tokens.map((token) => token.id))).toEqual(new Set([5, 6]));
});

describe("a disposed model", () => {
  test("refuses everything but dispose and info", async () => {
    const disposed = await loadModel(TINY_CODER);
    await disposed.dispose();
    await disposed.dispose();
    expect(disposed.info.modelType).toBe("qwen2");
    const uses = [
      () => disposed.generate({ prompt }),
      () => disposed.stream({ prompt }).next(),
      () => disposed.tokenize("x"),
      () => disposed.detokenize([1]),
      () => disposed.applyChatTemplate(messages),
      async () => disposed.memory(),
    ];
    for (const use of uses) expect((await refusal(use())).code).toBe("MODEL_DISPOSED");
  });
});

describe("weights that make logits not finite", () => {
  const poison = [
    { what: "NaN scales", tensor: "model.layers.0.self_attn.q_proj.scales", bits: 0x7fc0 },
    { what: "infinite scales", tensor: "model.layers.0.mlp.down_proj.scales", bits: 0x7f80 },
    { what: "NaN biases of the embedding", tensor: "model.embed_tokens.biases", bits: 0xffc0 },
    { what: "a NaN norm", tensor: "model.norm.weight", bits: 0x7fc0 },
  ];

  test.each(poison)("$what are an error, not a text", async ({ tensor, bits }) => {
    await withTemporaryDirectory(async (parent) => {
      const directory = join(parent, "model");
      const fill = (data: Uint8Array) => new Uint8Array(new Uint16Array(data.byteLength / 2).fill(bits).buffer);
      await weightsWith(replacing(tensor, (found) => ({ ...found, data: fill(found.data) })))(directory);
      await using broken = await loadModel(directory);
      for (const temperature of [0, 1]) {
        const error = await refusal(broken.generate({ prompt, maxTokens: 4, temperature }));
        expect(error.code).toBe("MODEL_CORRUPT");
        expect(error.message).toMatch(/not finite/);
        expect(error.message).toContain(directory);
      }
    });
  });
});

describe("one scale of a byte that is no number makes logits not finite", () => {
  const scale = { mxfp4: 255, mxfp8: 255, nvfp4: 0x7f };
  const layers = ["model.embed_tokens", "model.layers.0.self_attn.k_proj", "model.layers.0.mlp.down_proj"];
  const rows = (["mxfp4", "mxfp8", "nvfp4"] as const).flatMap((mode) => layers.map((layer) => ({ mode, layer })));

  test.each(rows)("$mode, $layer", async ({ mode, layer }) => {
    await withTemporaryDirectory(async (parent) => {
      const directory = join(parent, "model");
      const poison = (data: Uint8Array) => data.fill(scale[mode], 1, 2);
      const change = replacing(`${layer}.scales`, (found) => ({ ...found, data: poison(found.data) }));
      await weightsWith(change, undefined, smallIn(mode))(directory);
      await using broken = await loadModel(directory);
      expect((await refusal(broken.generate({ prompt, maxTokens: 4 }))).code).toBe("MODEL_CORRUPT");
    });
  });
});

test("weights cut short under a loaded model are an error of the request, not a crash", async () => {
  await withTemporaryDirectory(async (parent) => {
    const directory = await writeRandomModel(SMALL, join(parent, "model"));
    await using cut = await loadModel(directory);
    await truncate(join(directory, "model.safetensors"), 500);
    const error = await refusal(cut.generate({ prompt, maxTokens: 4 }));
    expect(error.code).toBe("MODEL_CORRUPT");
    expect(error.message).toMatch(/model\.safetensors: was cut short/);
  });
});

test("weights replaced by rename under a loaded model go on as they were", async () => {
  await withTemporaryDirectory(async (parent) => {
    const directory = await writeRandomModel(SMALL, join(parent, "model"));
    await using loaded = await loadModel(directory);
    const before = await loaded.generate({ prompt, maxTokens: 8, logprobs: 1 });
    const weights = join(directory, "model.safetensors");
    await writeFile(`${weights}.new`, "");
    await rename(`${weights}.new`, weights);
    const after = await loaded.generate({ prompt, maxTokens: 8, logprobs: 1 });
    expect(after.tokens).toEqual(before.tokens);
  });
});

describe("without a tokenizer", () => {
  test("ids work and texts are refused", async () => {
    await withTemporaryDirectory(async (parent) => {
      await using idsOnly = await loadModel(await writeRandomModel(SMALL, join(parent, "model")));
      const { text, tokens } = await idsOnly.generate({ prompt, maxTokens: 3 });
      expect(text).toBeNull();
      expect(tokens.map((token) => token.text)).toEqual([null, null, null]);
      for (const use of [
        idsOnly.generate({ prompt: "text" }),
        idsOnly.generate({ messages }),
        idsOnly.generate({ prompt, stop: "x" }),
        idsOnly.tokenize("x"),
        idsOnly.detokenize([1]),
      ]) {
        expect((await refusal(use)).message).toMatch(/tokenizer\.json|template/);
      }
    });
  });

  test("a tokenizer of a larger vocabulary than the model's is refused when it shows", async () => {
    await withTemporaryDirectory(async (parent) => {
      const directory = await writeRandomModel(SMALL, join(parent, "model"));
      for (const file of ["tokenizer.json", "tokenizer_config.json"])
        await cp(join(TINY_CODER, file), join(directory, file));
      await using mixed = await loadModel(directory);
      const error = await refusal(mixed.generate({ prompt: "What is the capital of France?" }));
      expect(error.code).toBe("MODEL_CORRUPT");
      expect(error.message).toMatch(/vocab_size/);
    });
  });
});

describe("a chat template", () => {
  const rows: { what: string; template: string | undefined; code: ErrorCode; says: RegExp }[] = [
    { what: "absent", template: undefined, code: "MODEL_UNSUPPORTED", says: /chat template/ },
    { what: "broken", template: "{% for %}", code: "MODEL_CORRUPT", says: /template/ },
    { what: "that makes no text", template: "{{ '' }}", code: "MODEL_CORRUPT", says: /template makes no text/ },
    {
      what: "that never ends",
      template: "{% for i in range(1000000000000) %}{% endfor %}",
      code: "MODEL_CORRUPT",
      says: /template/,
    },
    {
      what: "that loops in loops",
      template: "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
      code: "MODEL_CORRUPT",
      says: /template/,
    },
    {
      what: "that writes without end",
      template: "{% for i in range(99999999) %}{{ messages }}{% endfor %}",
      code: "MODEL_CORRUPT",
      says: /template/,
    },
    {
      what: "that fails",
      template: "{{ messages[0].content.nothing.at.all() }}",
      code: "MODEL_CORRUPT",
      says: /template/,
    },
    {
      what: "that refuses",
      template: "{{ raise_exception('Only cats.') }}",
      code: "INVALID_OPTION",
      says: /Only cats\./,
    },
  ];

  test.each(rows)(
    "$what is an error of the request",
    async ({ template, code, says }) => {
      await withTemporaryDirectory(async (parent) => {
        const directory = join(parent, "model");
        await templateWith(template)(directory);
        await using odd = await loadModel(directory);
        const error = await refusal(odd.generate({ messages }));
        expect({ code: error.code, message: error.message }).toMatchObject({
          code,
          message: expect.stringMatching(says),
        });
        expect((await odd.generate({ prompt, maxTokens: 2, ignoreEos: true })).tokens).toHaveLength(2);
      });
    },
    20_000,
  );
});

describe("loading is refused", () => {
  const rows: [options: unknown, says: RegExp][] = [
    [{ contextLength: 0 }, /contextLength/],
    [{ contextLength: 4096 }, /contextLength.*2048/],
    [{ contextLength: 1.5 }, /contextLength/],
    [{ device: "tpu" }, /device/],
    [{ threads: 0 }, /threads/],
    [{ threads: 1e6 }, /threads/],
    [{ prefillChunk: 0 }, /prefillChunk/],
    [{ modelsDir: 5 }, /modelsDir/],
    [{ speed: "fast" }, /speed/],
    ["fast", /options/],
  ];

  test.each(rows)("with %o", async (options, says) => {
    const error = await refusal(loadModel(TINY_CODER, options as never));
    expect(error.code).toBe("INVALID_OPTION");
    expect(error.message).toMatch(says);
  });

  test("of what is not there", async () => {
    await withTemporaryDirectory(async (directory) => {
      const error = await refusal(loadModel(join(directory, "nothing")));
      expect(error.code).toBe("MODEL_NOT_FOUND");
      await rm(directory, { recursive: true });
    });
  });
});
