/** A `Model` of the tiny model's directory, with its real tokenizer and template, on a native model that is faked. */
import { afterAll, beforeAll } from "vitest";
import { Model } from "../../src/api/model.js";
import { RequestRouter } from "../../src/api/request-router.js";
import { type ChatTemplate, loadChatTemplate } from "../../src/chat/template.js";
import type { StreamPart } from "../../src/index.js";
import { openModelDirectory } from "../../src/models/model-directory.js";
import { loadTokenizer } from "../../src/tokenizer/load-tokenizer.js";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.js";
import { type FakeOptions, fakeNative } from "./fake-native.js";
import { TINY_MODEL } from "./tiny-model.js";

/** Shared by a file's tests: their threads take a while to start. */
let tokenizer: Tokenizer;
let template: ChatTemplate;

/** To be called once, at the top of a test file. */
export function shareTokenizer(): void {
  beforeAll(async () => {
    tokenizer = await loadTokenizer(TINY_MODEL);
    template = await loadChatTemplate(TINY_MODEL);
  });
  afterAll(async () => {
    await Promise.all([tokenizer.close(), template.close()]);
  });
}

export async function open(fakeOptions: FakeOptions = {}, { contextLength = 2048 }: { contextLength?: number } = {}) {
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
    hiddenSize: 128,
    native,
    router,
    tokenizer: withoutClose(tokenizer),
    template: withoutClose(template),
    endIds: [1263, 1261],
    maxContextLength: 2048,
    loadMs: 5,
    onFreed: () => undefined,
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
export async function answering(text: string, options?: { contextLength?: number }) {
  const ids = await tokenizer.encode(text);
  return { ids, ...(await open({ answer: () => ids }, options)) };
}

/** Never comes to an end by itself. */
export function* endless() {
  for (;;) yield 65;
}

export async function collect(stream: AsyncIterable<StreamPart>): Promise<StreamPart[]> {
  const parts: StreamPart[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

export const TOOLS = [
  {
    type: "function" as const,
    function: {
      name: "read_file",
      parameters: { type: "object", properties: { path: { type: "string" } }, required: ["path"] },
    },
  },
];
export const QUESTION = [{ role: "user", content: "Hi" }];
