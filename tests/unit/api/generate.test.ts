import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Model } from "../../../src/api/model.js";
import { RequestRouter } from "../../../src/api/request-router.js";
import { type ChatTemplate, loadChatTemplate } from "../../../src/chat/template.js";
import type { GenerateRequest, LoadOptions, StreamPart } from "../../../src/index.js";
import { openModelDirectory } from "../../../src/models/model-directory.js";
import { loadTokenizer } from "../../../src/tokenizer/load-tokenizer.js";
import type { Tokenizer } from "../../../src/tokenizer/tokenizer.js";
import { type FakeOptions, fakeNative } from "../../helpers/fake-native.js";
import { TINY_MODEL } from "../../helpers/tiny-model.js";

/** Shared: their threads take a while to start. */
let tokenizer: Tokenizer;
let template: ChatTemplate;
beforeAll(async () => {
  tokenizer = await loadTokenizer(TINY_MODEL);
  template = await loadChatTemplate(TINY_MODEL);
});
afterAll(async () => {
  await Promise.all([tokenizer.close(), template.close()]);
});

async function open(fakeOptions: FakeOptions = {}, { contextLength = 2048 }: LoadOptions = {}) {
  const { spec } = await openModelDirectory(TINY_MODEL);
  const fake = fakeNative(fakeOptions);
  const router = new RequestRouter();
  const native = await fake.binding.loadModel(spec, {
    device: "cpu",
    threads: 1,
    contextLength,
    prefillChunk: 512,
    onEvents: router.deliver,
  });
  const info = {
    path: TINY_MODEL,
    name: "tiny",
    modelType: "qwen2",
    quantization: null,
    device: "cpu" as const,
    contextLength,
    hasTokenizer: true,
  };
  const model = new Model({
    info,
    generationDefaults: {},
    vocabSize: 1280,
    native,
    router,
    tokenizer: withoutClose(tokenizer),
    template: withoutClose(template),
    endIds: [1263, 1261],
    maxContextLength: 2048,
    loadMs: 5,
  });
  return { fake, model };
}

/** The same, but that it stays open when a model is disposed. */
function withoutClose<T extends { close(): Promise<void> }>(shared: T): T {
  return new Proxy(shared, {
    get: (target, name) => {
      if (name === "close") return async () => {};
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** A model that answers with this text. */
async function answering(text: string, options?: LoadOptions) {
  const ids = await tokenizer.encode(text);
  return { ids, ...(await open({ answer: () => ids }, options)) };
}

function* endless() {
  for (;;) yield 65;
}

async function collect(stream: AsyncIterable<StreamPart>): Promise<StreamPart[]> {
  const parts: StreamPart[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

const TOOLS = [
  {
    type: "function" as const,
    function: {
      name: "read_file",
      parameters: { type: "object", properties: { path: { type: "string" } }, required: ["path"] },
    },
  },
];
const QUESTION = [{ role: "user", content: "Hi" }];

describe("a request's options", () => {
  const bad: [string, Record<string, unknown>, string][] = [
    ["no prompt", {}, "either 'prompt' or 'messages', received neither"],
    ["prompt and messages", { prompt: "x", messages: QUESTION }, "received both"],
    ["an empty prompt", { prompt: "" }, 'prompt: expected a text that is not empty, received "".'],
    ["no ids", { prompt: [] }, "prompt: expected at least one token id"],
    [
      "an id past the vocabulary",
      { prompt: [5, 1280] },
      "prompt[1]: expected a token id from 0 to 1279, received 1280.",
    ],
    ["a negative id", { prompt: [-1] }, "prompt[0]: expected a token id from 0 to 1279, received -1."],
    ["no messages", { messages: [] }, "messages: expected at least one message"],
    ["a message without a role", { messages: [{ content: "x" }] }, "messages[0].role"],
    ["tools for raw text", { prompt: "x", tools: TOOLS }, "tools: expected tools with 'messages' only"],
    ["maxTokens", { prompt: "x", maxTokens: 0 }, "maxTokens: expected an integer of at least 1, received 0."],
    ["temperature", { prompt: "x", temperature: -1 }, "temperature: expected a number of at least 0, received -1."],
    ["not a number", { prompt: "x", temperature: Number.NaN }, "temperature: expected a number of at least 0"],
    ["topP", { prompt: "x", topP: 0 }, "topP: expected a number above 0, up to 1, received 0."],
    ["topK", { prompt: "x", topK: 1.5 }, "topK: expected an integer of at least 0, received 1.5."],
    ["minP", { prompt: "x", minP: 1.1 }, "minP: expected a number from 0 to 1, received 1.1."],
    ["repetitionPenalty", { prompt: "x", repetitionPenalty: 0 }, "repetitionPenalty: expected a number above 0"],
    ["presencePenalty", { prompt: "x", presencePenalty: 3 }, "presencePenalty: expected a number from -2 to 2"],
    ["seed", { prompt: "x", seed: 2 ** 53 }, "seed: expected an integer of at least 0"],
    ["logitBias ids", { prompt: "x", logitBias: { a: 1 } }, "logitBias: expected token ids from 0 to 1279"],
    ["logitBias values", { prompt: "x", logitBias: { 1: "2" } }, "logitBias[1]: expected a number"],
    ["stop", { prompt: "x", stop: [""] }, "stop: expected texts of 1 to 4096 characters"],
    ["logprobs", { prompt: "x", logprobs: -1 }, "logprobs: expected an integer from 0 to 1000"],
    ["a name that is not known", { prompt: "x", max_tokens: 5 }, "unknown option 'max_tokens'"],
  ];
  it.each(bad)("refuse %s", async (_, request, message) => {
    const { fake, model } = await open();
    const expected = { code: "INVALID_OPTION", message: expect.stringContaining(message) };
    await expect(model.generate(request as unknown as GenerateRequest)).rejects.toMatchObject(expected);
    await expect(collect(model.stream(request as unknown as GenerateRequest))).rejects.toMatchObject(expected);
    expect(fake.requests).toEqual([]);
  });

  it("have the defaults that the guide lists", async () => {
    const { fake, model } = await open();
    await model.generate({ prompt: [1, 2, 3] });
    expect(fake.requests[0]).toMatchObject({
      prompt: Uint32Array.of(1, 2, 3),
      maxTokens: 2045,
      stopIds: [1263, 1261],
      logprobs: -1,
      sampling: {
        temperature: 0,
        topP: 1,
        topK: 0,
        minP: 0,
        repetitionPenalty: 1,
        repetitionContext: 20,
        presencePenalty: 0,
        frequencyPenalty: 0,
        logitBias: [],
      },
    });
  });

  it("reach the native model", async () => {
    const { fake, model } = await open();
    await model.generate({
      prompt: [1],
      temperature: 0.5,
      seed: 7,
      logitBias: { 3: -1 },
      ignoreEos: true,
      maxTokens: 9,
    });
    expect(fake.requests[0]).toMatchObject({
      maxTokens: 9,
      stopIds: [],
      sampling: { temperature: 0.5, seed: 7, logitBias: [[3, -1]] },
    });
  });

  it("draw a new seed for each sampled request", async () => {
    const { fake, model } = await open();
    await model.generate({ prompt: [1], temperature: 1 });
    await model.generate({ prompt: [1], temperature: 1 });
    const [first, second] = fake.requests.map(({ sampling }) => sampling.seed);
    expect(first).not.toBe(second);
  });
});

describe("a prompt", () => {
  it("of messages goes through the chat template", async () => {
    const { fake, model } = await open();
    const { promptTokens } = await model.generate({ messages: QUESTION });
    const prompt = await model.applyChatTemplate(QUESTION);
    expect(prompt).toContain("<|im_start|>user\nHi<|im_end|>");
    expect(promptTokens).toEqual(await model.tokenize(prompt));
    expect([...(fake.requests[0]?.prompt ?? [])]).toEqual(promptTokens);
  });

  it("that fills the context is refused with both numbers and what to do", async () => {
    const { model } = await open({}, { contextLength: 4 });
    await expect(model.generate({ prompt: [1, 2, 3, 4] })).rejects.toMatchObject({
      code: "CONTEXT_TOO_LONG",
      message:
        "The prompt has 4 tokens; the context holds 4, with at least one for the answer. Shorten the prompt, or load " +
        "the model with a longer context (contextLength, --context-length; it was trained for 2048).",
    });
  });

  it("that nearly fills it leaves what is left for the answer, which ends for length", async () => {
    const { model } = await open({ answer: endless }, { contextLength: 4 });
    const { finishReason, tokens } = await model.generate({ prompt: [1, 2] });
    expect({ finishReason, count: tokens.length }).toEqual({ finishReason: "length", count: 2 });
  });

  it("tells how far it has been read", async () => {
    const { model } = await open();
    const onPromptProgress = vi.fn();
    await model.generate({ prompt: [1, 2, 3], onPromptProgress });
    expect(onPromptProgress.mock.calls).toEqual([[{ processed: 3, total: 3 }]]);
  });
});

describe("an answer", () => {
  it("streams as text that joins to the whole, and then its finish", async () => {
    const text = "Häuser 🏠 und naïve café";
    const { model, ids } = await answering(text);
    const parts = await collect(model.stream({ prompt: "x" }));
    const deltas = parts.flatMap((part) => (part.type === "text-delta" ? [part.text] : []));
    expect(deltas.join("")).toBe(text);
    expect(deltas.length).toBeGreaterThan(1);
    expect(parts.at(-1)).toEqual({
      type: "finish",
      finishReason: "stop",
      usage: { promptTokens: 1, cachedTokens: 0, completionTokens: ids.length },
      timings: {
        loadMs: expect.any(Number),
        promptMs: 10,
        firstTokenMs: 20,
        generationMs: 100,
        promptTokensPerSecond: 100,
        generationTokensPerSecond: (ids.length - 1) * 10,
      },
    });
  });

  it("has tokens whose texts join to it, also when a character is cut off", async () => {
    const { model, ids } = await answering("a🏠");
    const result = await model.generate({ prompt: "x", maxTokens: ids.length - 1 });
    expect(result.text).toBe("a\ufffd");
    expect(result.tokens.map(({ text }) => text).join("")).toBe(result.text);
    expect(result.finishReason).toBe("length");
  });

  it("ends before a stop string, and ends the native work with it", async () => {
    const { fake, model, ids } = await answering("one two three END four five six seven eight nine ten");
    const result = await model.generate({ prompt: "x", stop: ["never", " END"] });
    expect(result).toMatchObject({ text: "one two three", finishReason: "stop" });
    expect(result.usage.completionTokens).toBe(result.tokens.length);
    expect(result.tokens.length).toBeLessThan(ids.length);
    expect(fake.sent).toBeLessThan(ids.length);
    expect(fake.cancelled).toEqual([1]);
  });

  it("keeps what only began like a stop string", async () => {
    const { model } = await answering("count EN");
    expect(await model.generate({ prompt: "x", stop: " END" })).toMatchObject({
      text: "count EN",
      finishReason: "stop",
    });
  });

  it("with a stop string in its very last token ends with stop, not with length", async () => {
    const { model, ids } = await answering("one. ");
    const result = await model.generate({ prompt: "x", stop: ".", maxTokens: ids.length });
    expect(result).toMatchObject({ text: "one", finishReason: "stop" });
  });

  it("gives log-probabilities with the text they belong to", async () => {
    const { model, ids } = await answering("two words");
    const parts = await collect(model.stream({ prompt: "x", logprobs: 1 }));
    const tokens = parts.flatMap((part) => ("tokens" in part ? (part.tokens ?? []) : []));
    expect(tokens.map(({ id }) => id)).toEqual(ids);
    for (const { id, text, logprob, top } of tokens) {
      expect({ logprob, top }).toEqual({ logprob: -0.25, top: [{ id, text, logprob: -0.25 }] });
    }
  });

  it("with tools gives calls, typed, and says so in its finish", async () => {
    const call = '<tool_call>\n{"name": "read_file", "arguments": {"path": "a.ts"}}\n</tool_call>';
    const { model } = await answering(`Let me see.\n${call}`);
    const result = await model.generate({ messages: QUESTION, tools: TOOLS });
    expect(result).toMatchObject({
      text: expect.stringContaining("Let me see."),
      toolCalls: [{ name: "read_file", arguments: { path: "a.ts" } }],
      invalidToolCalls: [],
      finishReason: "tool-calls",
    });
  });

  it("without tools leaves what looks like a call as text", async () => {
    const text = '<tool_call>\n{"name": "read_file", "arguments": {}}\n</tool_call>';
    const { model } = await answering(text);
    expect(await model.generate({ messages: QUESTION })).toMatchObject({ text, toolCalls: [], finishReason: "stop" });
  });

  it("with a call cut off by the limit gives it as invalid, and length", async () => {
    const { model, ids } = await answering(
      '<tool_call>\n{"name": "read_file", "arguments": {"path": "a.ts"}}\n</tool_call>',
    );
    const result = await model.generate({ messages: QUESTION, tools: TOOLS, maxTokens: ids.length - 6 });
    expect(result).toMatchObject({
      toolCalls: [],
      invalidToolCalls: [{ reason: expect.any(String) }],
      finishReason: "length",
    });
  });

  it("rejects with the native model's error, and the model stays usable", async () => {
    const { model } = await open({ error: { code: "MODEL_CORRUPT", message: "logits are not finite" } });
    for (let i = 0; i < 2; i++) {
      await expect(model.generate({ prompt: "x" })).rejects.toMatchObject({
        code: "MODEL_CORRUPT",
        message: `${TINY_MODEL}: logits are not finite`,
      });
    }
  });
});

describe("stopping", () => {
  it("by a signal rejects with its reason, cancels the native work and leaves the model usable", async () => {
    const { fake, model } = await open({ answer: ({ id }) => (id === 1 ? endless() : [65]) });
    const stop = new AbortController();
    const reason = new Error("enough");
    const reading = (async () => {
      for await (const _ of model.stream({ prompt: "x", signal: stop.signal })) stop.abort(reason);
    })();
    await expect(reading).rejects.toBe(reason);
    expect(fake.cancelled).toEqual([1]);
    expect((await model.generate({ prompt: "x" })).tokens).toHaveLength(1);
  });

  it("by a signal works for generate, before and during", async () => {
    const { model } = await open({ answer: endless });
    const reason = new Error("enough");
    await expect(model.generate({ prompt: "x", signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const stop = new AbortController();
    setTimeout(() => stop.abort(reason), 20);
    await expect(model.generate({ prompt: "x", signal: stop.signal })).rejects.toBe(reason);
  });

  it("by leaving the loop cancels the native work", async () => {
    const { fake, model } = await open({ answer: endless });
    for await (const part of model.stream({ prompt: "x" })) {
      expect(part.type).toBe("text-delta");
      break;
    }
    expect(fake.cancelled).toEqual([1]);
  });

  it("by an error in a caller's callback ends that request with the error", async () => {
    const { fake, model } = await open({ answer: endless });
    const error = new Error("from the callback");
    const onPromptProgress = () => {
      throw error;
    };
    await expect(model.generate({ prompt: "x", onPromptProgress })).rejects.toBe(error);
    expect(fake.cancelled).toEqual([1]);
  });

  it("a slow reader loses nothing, and the work runs ahead of it", async () => {
    const { fake, model, ids } = await answering("one two three four five six");
    const parts: StreamPart[] = [];
    for await (const part of model.stream({ prompt: "x" })) {
      if (parts.length === 0) await vi.waitFor(() => expect(fake.sent).toBe(ids.length));
      parts.push(part);
    }
    expect(parts.flatMap((part) => (part.type === "text-delta" ? [part.text] : [])).join("")).toBe(
      "one two three four five six",
    );
  });

  it("one of several requests leaves the others as they are", async () => {
    const { model } = await open({ answer: ({ prompt }) => (prompt[0] === 1 ? endless() : [66, 67]) });
    const stop = new AbortController();
    const first = model.generate({ prompt: [1], signal: stop.signal });
    const second = model.generate({ prompt: [2] });
    setTimeout(() => stop.abort(new Error("enough")), 20);
    await expect(first).rejects.toThrow("enough");
    expect((await second).tokens.map(({ id }) => id)).toEqual([66, 67]);
  });
});

describe("dispose", () => {
  it("waits for work in flight, and frees once", async () => {
    const { fake, model, ids } = await answering("one two three");
    const generating = model.generate({ prompt: "x" });
    await Promise.all([model.dispose(), model.dispose()]);
    expect((await generating).tokens).toHaveLength(ids.length);
    await model.dispose();
    expect(fake.disposals).toBe(1);
  });

  it("inside the loop that reads lets the reader have the rest", async () => {
    const { model } = await answering("one two three");
    let text = "";
    for await (const part of model.stream({ prompt: "x" })) {
      if (part.type === "text-delta") text += part.text;
      await model.dispose();
    }
    expect(text).toBe("one two three");
  });

  it("leaves a model whose every use is refused", async () => {
    const { model } = await open();
    await model.dispose();
    const expected = { code: "MODEL_DISPOSED", message: expect.stringContaining("load it again") };
    await expect(model.generate({ prompt: "x" })).rejects.toMatchObject(expected);
    await expect(collect(model.stream({ prompt: "x" }))).rejects.toMatchObject(expected);
    await expect(model.tokenize("x")).rejects.toMatchObject(expected);
    await expect(model.detokenize([1])).rejects.toMatchObject(expected);
    await expect(model.applyChatTemplate(QUESTION)).rejects.toMatchObject(expected);
    expect(() => model.memory()).toThrow(expect.objectContaining(expected));
  });

  it("is what leaving an `await using` block does", async () => {
    const { fake, model } = await open();
    await model[Symbol.asyncDispose]();
    expect(fake.disposals).toBe(1);
  });
});

describe("tokens and text", () => {
  it("are each other's inverse", async () => {
    const { model } = await open();
    const text = "def add(a, b):\n    return a + b  # naïve 🏠<|im_end|>";
    expect(await model.detokenize(await model.tokenize(text))).toBe(text);
    expect(await model.detokenize([])).toBe("");
    expect(await model.tokenize("<|im_end|>")).toEqual([1263]);
  });
});
