import { describe, expect, it, vi } from "vitest";
import type { GenerateRequest } from "../../../src/index.js";
import { collect, endless, open, QUESTION, shareTokenizer, TOOLS } from "../../helpers/model-on-fake.js";

shareTokenizer();

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
