import { describe, expect, it } from "vitest";
import { answering, collect, open, QUESTION, shareTokenizer, TOOLS } from "../../helpers/model-on-fake.js";
import { TINY_MODEL } from "../../helpers/tiny-model.js";

shareTokenizer();

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

describe("tokens and text", () => {
  it("are each other's inverse", async () => {
    const { model } = await open();
    const text = "def add(a, b):\n    return a + b  # naïve 🏠<|im_end|>";
    expect(await model.detokenize(await model.tokenize(text))).toBe(text);
    expect(await model.detokenize([])).toBe("");
    expect(await model.tokenize("<|im_end|>")).toEqual([1263]);
  });
});
