import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModel } from "../../src/api/load-model.js";
import type { Model } from "../../src/api/model.js";
import { createHandler } from "../../src/server/index.js";
import { type Listening, listen } from "../../src/server/listen.js";
import { TINY_MODEL } from "../helpers/tiny-model.js";

const READ_FILE = {
  type: "function" as const,
  function: {
    name: "read_file",
    description: "Read a file",
    parameters: { type: "object", properties: { path: { type: "string" } }, required: ["path"] },
  },
};

function ask(content: string) {
  return { model: "tiny", messages: [{ role: "user" as const, content }] };
}

let model: Model;
let server: Listening;
let openai: OpenAI;
let logged: string[];

beforeAll(async () => {
  model = await loadModel(TINY_MODEL);
  logged = [];
  const handler = createHandler(model, { modelNames: ["tiny"], log: (_level, message) => logged.push(message) });
  server = await listen(handler, { host: "127.0.0.1", port: 0 });
  openai = new OpenAI({ apiKey: "none", baseURL: `${server.url}/v1`, maxRetries: 0 });
});
afterAll(async () => {
  await server?.close();
  await model?.dispose();
});

describe("a real model over HTTP", () => {
  it("answers", async () => {
    const { choices, usage } = await openai.chat.completions.create(ask("What is the capital of France?"));
    expect(choices[0]?.message.content).toBe("The capital of France is Paris.");
    expect(choices[0]?.finish_reason).toBe("stop");
    expect(usage?.total_tokens).toBe((usage?.prompt_tokens ?? 0) + (usage?.completion_tokens ?? 0));
  });

  it("streams the same answer, piece by piece", async () => {
    const stream = await openai.chat.completions.create({ ...ask("What is the capital of France?"), stream: true });
    const pieces: string[] = [];
    for await (const chunk of stream) pieces.push(chunk.choices[0]?.delta.content ?? "");
    expect(pieces.join("")).toBe("The capital of France is Paris.");
    expect(pieces.filter(Boolean).length).toBeGreaterThan(3);
  });

  it("calls a tool", async () => {
    const { choices } = await openai.chat.completions.create({ ...ask("Read main.py."), tools: [READ_FILE] });
    expect(choices[0]?.finish_reason).toBe("tool_calls");
    const call = choices[0]?.message.tool_calls?.[0];
    if (call?.type !== "function") throw new Error("no call");
    expect(call.function.name).toBe("read_file");
    expect(Object.keys(JSON.parse(call.function.arguments) as object)).toEqual(["path"]);
  });

  it("stops where it is told to, and says why", async () => {
    const count = ask("Count to 9.");
    const cut = await openai.chat.completions.create({ ...count, max_tokens: 3 });
    expect(cut.choices[0]?.finish_reason).toBe("length");
    const stopped = await openai.chat.completions.create({ ...count, stop: [" 4"] });
    expect(stopped.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "1 2 3" } });
  });

  it("gives log-probabilities that belong to its text", async () => {
    const body = { ...ask("What is 3 + 4?"), logprobs: true, top_logprobs: 2 };
    const { choices } = await openai.chat.completions.create(body);
    const tokens = choices[0]?.logprobs?.content ?? [];
    expect(tokens.map(({ token }) => token).join("")).toBe(choices[0]?.message.content);
    for (const { logprob, top_logprobs: top } of tokens) {
      expect(top).toHaveLength(2);
      expect(top[0]?.logprob).toBe(logprob);
      expect(logprob).toBeLessThanOrEqual(0);
    }
  });

  it("gives the same text for the same seed", async () => {
    const body = { ...ask("Hello there"), temperature: 1.5, max_tokens: 20 };
    const texts = await Promise.all(
      [7, 7, 8].map(
        async (seed) => (await openai.chat.completions.create({ ...body, seed })).choices[0]?.message.content,
      ),
    );
    expect(texts[0]).toBe(texts[1]);
    expect(texts[2]).not.toBe(texts[0]);
  });

  it("says when a prompt is too long", async () => {
    const body = ask("long ".repeat(50_000));
    await expect(openai.chat.completions.create(body)).rejects.toMatchObject({
      status: 400,
      code: "context_length_exceeded",
    });
    await expect(openai.chat.completions.create({ ...body, stream: true })).rejects.toMatchObject({ status: 400 });
  });

  it("is free for the next when a client leaves in mid-answer", async () => {
    // Without its end tokens it would go on to the end of its context, and the log would say so.
    const endless = { ...ask("Count to 9."), logit_bias: { "1261": -100, "1263": -100 }, max_tokens: 1_000_000 };
    logged.length = 0;
    const stream = await openai.chat.completions.create({ ...endless, stream: true });
    for await (const _ of stream) break;
    const { choices } = await openai.chat.completions.create(ask("What is the capital of France?"));
    expect(choices[0]?.message.content).toContain("Paris");
    expect(logged.filter((line) => line.startsWith("chatcmpl-"))).toEqual([
      expect.stringMatching(/ not finished \(the client left, or the server stops\) in \d+ ms$/),
      expect.stringContaining(" stop, "),
    ]);
  });
});
