import { Server } from "node:net";
import OpenAI, { APIUserAbortError, AuthenticationError, BadRequestError, NotFoundError, RateLimitError } from "openai";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createHandler, type Handler, type ServedPart } from "../../src/server/index.js";
import { type Listening, listen } from "../../src/server/listen.js";
import { FakeModel, HELLO, USAGE, until } from "./fake-model.js";

const CALL: ServedPart[] = [
  { type: "tool-call", id: "call_1", name: "add", arguments: { a: 1, b: 2 } },
  { type: "finish", finishReason: "tool-calls", usage: USAGE },
];

const messages = [{ role: "user" as const, content: "Hi" }];
const apiKey = "s3cret";

/** Each way to reach a handler: over HTTP, and in process with no socket. */
const WAYS = ["over HTTP", "in process"] as const;

describe.each(WAYS)("the openai client %s", (way) => {
  const opened: Listening[] = [];
  afterAll(() => Promise.all(opened.map((server) => server.close())));

  async function client(handler: Handler, key = apiKey): Promise<OpenAI> {
    const options = { apiKey: key, maxRetries: 0 };
    if (way === "in process") return new OpenAI({ ...options, baseURL: "http://punie/v1", fetch: handler });
    const server = await listen(handler, { host: "127.0.0.1", port: 0 });
    opened.push(server);
    return new OpenAI({ ...options, baseURL: `${server.url}/v1` });
  }

  async function clientOf(parts: ServedPart[] = HELLO) {
    const model = new FakeModel(parts);
    const options = { apiKey, modelNames: ["org/tiny"], concurrency: 1, queueLimit: 1 };
    return { model, openai: await client(createHandler(model, options)) };
  }

  it("lists models", async () => {
    const { openai } = await clientOf();
    expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(["org/tiny"]);
    expect((await openai.models.retrieve("org/tiny")).owned_by).toBe("punie");
  });

  it("gets an answer", async () => {
    const { openai } = await clientOf();
    const { choices, usage } = await openai.chat.completions.create({ model: "org/tiny", messages });
    expect(choices[0]?.message.content).toBe("Hello");
    expect(usage?.total_tokens).toBe(8);
  });

  it("streams an answer", async () => {
    const { openai } = await clientOf();
    const stream = openai.chat.completions.stream({
      model: "local",
      messages,
      stream_options: { include_usage: true },
    });
    const pieces: string[] = [];
    stream.on("content", (delta) => pieces.push(delta));
    const { choices, usage } = await stream.finalChatCompletion();
    expect(pieces.filter(Boolean)).toEqual(["Hel", "lo"]);
    expect(choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "Hello" } });
    expect(usage?.prompt_tokens_details?.cached_tokens).toBe(2);
  });

  it.each([true, false])("runs tools (stream: %s)", async (stream) => {
    const { openai, model } = await clientOf(CALL);
    const tools = [{ type: "function" as const, function: { name: "add", parameters: { type: "object" } } }];
    const body = { model: "local", messages, tools };
    const { choices } = stream
      ? await openai.chat.completions.stream(body).finalChatCompletion()
      : await openai.chat.completions.create(body);
    expect(choices[0]?.finish_reason).toBe("tool_calls");
    const [call] = choices[0]?.message.tool_calls ?? [];
    if (choices[0] === undefined || call?.type !== "function") throw new Error("no call");
    expect(JSON.parse(call.function.arguments)).toEqual({ a: 1, b: 2 });

    const answer = { role: "tool" as const, tool_call_id: call.id, content: "3" };
    await openai.chat.completions.create({ ...body, messages: [...messages, choices[0].message, answer] });
    expect(model.requests[1]?.messages.slice(1)).toEqual([
      { role: "assistant", content: "", tool_calls: [expect.objectContaining({ id: "call_1" })] },
      { role: "tool", content: "3", tool_call_id: "call_1" },
    ]);
  });

  it("throws its own errors", async () => {
    const { openai } = await clientOf();
    const bad = openai.chat.completions.create({ model: "local", messages, n: 2 });
    await expect(bad).rejects.toThrow(BadRequestError);
    await expect(bad).rejects.toMatchObject({ status: 400, param: "n", type: "invalid_request_error" });
    await expect(openai.chat.completions.create({ model: "gpt-5", messages })).rejects.toThrow(NotFoundError);
    const stranger = await client(createHandler(new FakeModel(), { apiKey: "another" }));
    await expect(stranger.models.list()).rejects.toThrow(AuthenticationError);
  });

  it("gets an error that comes in mid-stream", async () => {
    const model = new FakeModel([HELLO[0] as ServedPart, new Error("no")]);
    const openai = await client(createHandler(model));
    const read = async () => {
      for await (const _ of await openai.chat.completions.create({ model: "local", messages, stream: true }));
    };
    await expect(read()).rejects.toMatchObject({ code: "INTERNAL" });
  });

  it("frees the model at once when it aborts, in mid-stream or before", async () => {
    const { openai, model } = await clientOf();
    model.hold();
    const stream = await openai.chat.completions.create({ model: "local", messages, stream: true });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
    await until(() => model.running === 0);

    const leave = new AbortController();
    const answer = openai.chat.completions.create({ model: "local", messages }, { signal: leave.signal });
    await until(() => model.running === 1);
    leave.abort();
    await expect(answer).rejects.toThrow(APIUserAbortError);
    await until(() => model.running === 0);
  });

  it("is told when the queue is full", async () => {
    const { openai, model } = await clientOf();
    const release = model.hold();
    const ask = () => openai.chat.completions.create({ model: "local", messages });
    const first = ask();
    await until(() => model.running === 1);
    const others = [ask(), ask()];
    // One of the two waits, and the other is refused: only then the first may go on.
    await Promise.race(others).catch(() => {});
    release();
    const refused = (await Promise.allSettled(others)).filter(
      ({ status }) => status === "rejected",
    ) as PromiseRejectedResult[];
    expect(refused).toHaveLength(1);
    expect(refused[0]?.reason).toBeInstanceOf(RateLimitError);
    expect(refused[0]?.reason.headers.get("retry-after")).toBe("1");
    expect((await first).choices[0]?.message.content).toBe("Hello");
  });
});

describe("a server behind a socket", () => {
  let server: Listening;
  const handler = createHandler(new FakeModel(), { bodyLimitBytes: 100 });
  beforeAll(async () => {
    server = await listen(handler, { host: "127.0.0.1", port: 0 });
  });
  afterAll(() => server.close());

  it("answers health", async () => {
    expect(await (await fetch(`${server.url}/health`)).text()).toBe('{"status":"ok"}');
  });

  it("refuses a page of another origin", async () => {
    const response = await fetch(`${server.url}/echo`, {
      method: "POST",
      body: "1",
      headers: { origin: "http://evil.example" },
    });
    expect(response.status).toBe(403);
  });

  it("refuses a body that is too large", async () => {
    const response = await fetch(`${server.url}/echo`, { method: "POST", body: JSON.stringify("x".repeat(200)) });
    expect(response.status).toBe(413);
  });

  it("goes on after errors that befall it, and tells of them", async () => {
    const listening = vi.spyOn(Server.prototype, "listen");
    const onError = vi.fn();
    const { url, close } = await listen(handler, { host: "127.0.0.1", port: 0, onError });
    const errors = [new Error("accept EMFILE"), new Error("accept EMFILE again")];
    for (const error of errors) (listening.mock.contexts[0] as Server).emit("error", error);
    expect(onError.mock.calls).toEqual(errors.map((error) => [error]));
    expect((await fetch(`${url}/health`)).status).toBe(200);
    await close();
  });

  it("says so when its port is taken", async () => {
    await expect(listen(handler, { host: "127.0.0.1", port: server.port })).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: `Can't listen on 127.0.0.1, port ${server.port}: something else listens there already. Stop it, or choose another port with --port.`,
    });
  });

  it("says so when the address is not this machine's", async () => {
    await expect(listen(handler, { host: "192.0.2.1", port: 0 })).rejects.toThrow(/no such address/);
  });
});
