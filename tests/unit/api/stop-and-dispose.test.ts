import { describe, expect, it, vi } from "vitest";
import type { StreamPart } from "../../../src/index.js";
import { answering, collect, endless, open, QUESTION, shareTokenizer } from "../../helpers/model-on-fake.js";

shareTokenizer();

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
