import { describe, expect, it } from "vitest";
import { PunieError } from "../../src/errors.js";
import { createHandler, type ServedPart } from "../../src/server/index.js";
import { ask, toldError } from "./ask.js";
import { FakeModel, HELLO, USAGE } from "./fake-model.js";

const TOOL = { type: "function", function: { name: "add", description: "Adds.", parameters: { type: "object" } } };

const CALLS: ServedPart[] = [
  { type: "reasoning-delta", text: "Hm." },
  { type: "tool-call", id: "call_1", name: "add", arguments: { a: 1, b: "ü" } },
  { type: "tool-call", id: "call_2", name: "add", arguments: {} },
  { type: "finish", finishReason: "tool-calls", usage: USAGE },
];

const BROKEN_CALL: ServedPart[] = [
  { type: "text-delta", text: "Look: " },
  { type: "invalid-tool-call", raw: "<tool_call>{", reason: "cut off" },
  { type: "finish", finishReason: "length", usage: USAGE },
];

const WITH_LOGPROBS: ServedPart[] = [
  {
    type: "text-delta",
    text: "é",
    tokens: [
      { id: 7, text: "", logprob: -0.5, top: [{ id: 7, text: null, logprob: -0.5 }] },
      { id: 8, text: "é", logprob: -0.25, top: [{ id: 8, text: "é", logprob: -0.25 }] },
    ],
  },
  { type: "finish", finishReason: "stop", usage: USAGE, tokens: [{ id: 9, text: "", logprob: -1, top: [] }] },
];

interface Answer {
  choices: {
    message: Record<string, unknown>;
    delta: Record<string, unknown>;
    finish_reason: string;
    logprobs: unknown;
  }[];
  usage: unknown;
}

async function answer(parts: ServedPart[], fields: object = {}): Promise<Answer> {
  const response = await ask(createHandler(new FakeModel(parts)), fields);
  expect(response.status).toBe(200);
  return (await response.json()) as Answer;
}

/** The events of a stream; the last one is asserted to be [DONE]. */
async function events(parts: (ServedPart | Error)[], fields: object = {}): Promise<Answer[]> {
  const response = await ask(createHandler(new FakeModel(parts)), { stream: true, ...fields });
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  const data = (await response.text()).split("\n\n").slice(0, -1);
  expect(data.at(-1)).toBe("data: [DONE]");
  return data.slice(0, -1).map((event) => JSON.parse(event.slice("data: ".length)) as Answer);
}

describe("an answer as JSON", () => {
  it("has OpenAI's shape", async () => {
    expect(await answer(HELLO)).toEqual({
      id: expect.stringMatching(/^chatcmpl-/),
      object: "chat.completion",
      created: expect.any(Number),
      model: "local",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "Hello", refusal: null },
          logprobs: null,
          finish_reason: "stop",
        },
      ],
      usage: {
        prompt_tokens: 5,
        completion_tokens: 3,
        total_tokens: 8,
        prompt_tokens_details: { cached_tokens: 2 },
      },
    });
  });

  it("has tool calls with their arguments as JSON text, and reasoning", async () => {
    const [choice] = (await answer(CALLS)).choices;
    expect(choice?.finish_reason).toBe("tool_calls");
    expect(choice?.message).toEqual({
      role: "assistant",
      content: null,
      refusal: null,
      reasoning_content: "Hm.",
      tool_calls: [
        { id: "call_1", type: "function", function: { name: "add", arguments: '{"a":1,"b":"ü"}' } },
        { id: "call_2", type: "function", function: { name: "add", arguments: "{}" } },
      ],
    });
  });

  it("keeps the text of a call that can't be made", async () => {
    const [choice] = (await answer(BROKEN_CALL)).choices;
    expect(choice?.message.content).toBe("Look: <tool_call>{");
    expect(choice?.finish_reason).toBe("length");
  });

  it("has the bytes of a token that is part of a character", async () => {
    const model = Object.assign(new FakeModel(WITH_LOGPROBS), {
      tokenBytes: (id: number) => (id === 8 ? Uint8Array.of(0xc3) : undefined),
    });
    const response = await ask(createHandler(model), { logprobs: true, top_logprobs: 1 });
    const { choices } = (await response.json()) as { choices: { logprobs: unknown }[] };
    expect(choices[0]?.logprobs).toMatchObject({
      content: [{ bytes: [] }, { bytes: [0xc3], top_logprobs: [{ bytes: [0xc3] }] }, { bytes: [] }],
    });
  });

  it("has log-probabilities when they are asked for", async () => {
    const [choice] = (await answer(WITH_LOGPROBS, { logprobs: true, top_logprobs: 1 })).choices;
    expect(choice?.logprobs).toEqual({
      refusal: null,
      content: [
        { token: "", logprob: -0.5, bytes: [], top_logprobs: [{ token: "", logprob: -0.5, bytes: null }] },
        {
          token: "é",
          logprob: -0.25,
          bytes: [195, 169],
          top_logprobs: [{ token: "é", logprob: -0.25, bytes: [195, 169] }],
        },
        { token: "", logprob: -1, bytes: [], top_logprobs: [] },
      ],
    });
  });
});

describe("an answer as a stream", () => {
  it("has a chunk with the role, one per part, and one with the reason", async () => {
    const chunks = await events(HELLO);
    expect(chunks.map(({ choices }) => [choices[0]?.delta, choices[0]?.finish_reason])).toEqual([
      [{ role: "assistant", content: "" }, null],
      [{ content: "Hel" }, null],
      [{ content: "lo" }, null],
      [{}, "stop"],
    ]);
    expect(chunks[0]).toMatchObject({ object: "chat.completion.chunk", model: "local" });
    expect(new Set(chunks.map((chunk) => (chunk as unknown as { id: string }).id)).size).toBe(1);
    expect(chunks.every((chunk) => !("usage" in chunk))).toBe(true);
  });

  it("ends in a chunk with the usage when that is asked for", async () => {
    const chunks = await events(HELLO, { stream_options: { include_usage: true } });
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 3 } });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  });

  it("numbers its tool calls", async () => {
    const chunks = await events(CALLS);
    const deltas = chunks.map(({ choices }) => choices[0]?.delta);
    expect(deltas[1]).toEqual({ reasoning_content: "Hm." });
    expect(deltas[2]).toMatchObject({ tool_calls: [{ index: 0, id: "call_1" }] });
    expect(deltas[3]).toMatchObject({ tool_calls: [{ index: 1, id: "call_2", function: { arguments: "{}" } }] });
    expect(chunks[4]?.choices[0]?.finish_reason).toBe("tool_calls");
  });

  it("brings log-probabilities with their text", async () => {
    const chunks = await events(WITH_LOGPROBS, { logprobs: true });
    expect(chunks[1]?.choices[0]?.logprobs).toMatchObject({ content: [{ logprob: -0.5 }, { token: "é" }] });
    expect(chunks[2]?.choices[0]?.logprobs).toMatchObject({ content: [{ logprob: -1 }] });
  });

  it("tells an error that comes at once by its status", async () => {
    const model = new FakeModel([new PunieError("CONTEXT_TOO_LONG", "The prompt has 9 tokens; 8 fit.")]);
    const response = await ask(createHandler(model), { stream: true });
    expect(response.status).toBe(400);
    expect(await toldError(response)).toEqual({
      message: "The prompt has 9 tokens; 8 fit.",
      type: "invalid_request_error",
      param: null,
      code: "context_length_exceeded",
    });
  });

  it("tells an error that comes later by an event, and ends", async () => {
    const model = new FakeModel([{ type: "text-delta", text: "Hel" }, new PunieError("OUT_OF_MEMORY", "No memory.")]);
    const text = await (await ask(createHandler(model), { stream: true })).text();
    const last = text.split("\n\n").at(-2);
    expect(JSON.parse(last?.slice("data: ".length) ?? "")).toEqual({
      error: { message: "No memory.", type: "server_error", param: null, code: "OUT_OF_MEMORY" },
    });
  });

  it("sends comments while it waits", async () => {
    const model = new FakeModel();
    const release = model.hold();
    const response = await ask(createHandler(model, { keepAliveMs: 10 }), { stream: true });
    let text = "";
    for await (const piece of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      text += new TextDecoder().decode(piece);
      if (text.split(": keep-alive\n\n").length > 3) release();
    }
    expect(text).toMatch(/data: .*"Hel".*\n\n(: keep-alive\n\n)+data: .*"lo"/);
  });
});

describe("what the model is asked", () => {
  async function asked(body: object) {
    const model = new FakeModel();
    const response = await ask(createHandler(model), body);
    expect(await response.text()).toContain('"choices"');
    const [request] = model.requests;
    if (request === undefined) throw new Error("the model was not asked");
    const { signal, ...rest } = request;
    expect(signal).toBeInstanceOf(AbortSignal);
    return rest;
  }

  it("leaves out what the body leaves out or has as null, and unknown fields", async () => {
    const body = { temperature: null, tools: [], stop: null, seed: null, user: "me", metadata: {}, new_field: 1 };
    expect(await asked(body)).toEqual({ messages: [{ role: "user", content: "Hi" }] });
  });

  it("passes on every option", async () => {
    const body = {
      model: "local",
      max_tokens: 7,
      temperature: 0.5,
      top_p: 0.9,
      top_k: 3,
      min_p: 0.1,
      repetition_penalty: 1.1,
      presence_penalty: -1,
      frequency_penalty: 2,
      logit_bias: { "42": -100 },
      seed: -1,
      stop: "\n",
      logprobs: true,
      top_logprobs: 2,
      tools: [TOOL],
      tool_choice: "auto",
      parallel_tool_calls: true,
      n: 1,
      response_format: { type: "text" },
      modalities: ["text"],
      store: false,
    };
    expect(await asked(body)).toEqual({
      messages: [{ role: "user", content: "Hi" }],
      maxTokens: 7,
      temperature: 0.5,
      topP: 0.9,
      topK: 3,
      minP: 0.1,
      repetitionPenalty: 1.1,
      presencePenalty: -1,
      frequencyPenalty: 2,
      logitBias: { 42: -100 },
      seed: 2 ** 53 - 1,
      stop: ["\n"],
      logprobs: 2,
      tools: [TOOL],
    });
  });

  it("takes the model's own defaults where the body says nothing", async () => {
    const model = new FakeModel(HELLO, { temperature: 0.7, topP: 0.8 });
    await ask(createHandler(model), { temperature: 0 });
    expect(model.requests[0]).toMatchObject({ temperature: 0, topP: 0.8 });
  });

  it("takes max_completion_tokens before max_tokens", async () => {
    expect(await asked({ max_tokens: 7, max_completion_tokens: 8 })).toMatchObject({ maxTokens: 8 });
  });

  it("shows the model no tools with tool_choice none", async () => {
    expect(await asked({ tools: [TOOL], tool_choice: "none" })).not.toHaveProperty("tools");
  });

  it("understands each way to write a message", async () => {
    const call = (id: string, values: unknown) => ({
      id,
      type: "function",
      function: { name: "add", arguments: values },
    });
    const messages = [
      { role: "developer", content: "Be brief." },
      {
        role: "user",
        name: "me",
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
      },
      { role: "assistant", content: null, tool_calls: [call("1", '{"a":1}'), call("2", ""), call("3", { b: 2 })] },
      { role: "tool", tool_call_id: "1", content: "2" },
      { role: "assistant", reasoning_content: "hm", tool_calls: [] },
    ];
    expect((await asked({ messages })).messages).toEqual([
      { role: "system", content: "Be brief." },
      { role: "user", content: "ab" },
      { role: "assistant", content: "", tool_calls: [call("1", { a: 1 }), call("2", {}), call("3", { b: 2 })] },
      { role: "tool", tool_call_id: "1", content: "2" },
      { role: "assistant", content: "", reasoning_content: "hm" },
    ]);
  });
});

describe("a body that is refused", () => {
  const user = { role: "user", content: "Hi" };
  const callWith = (text: string) => [
    { role: "assistant", tool_calls: [{ id: "1", function: { name: "f", arguments: text } }] },
  ];

  it.each([
    ["messages", { messages: [] }],
    ["messages", { messages: undefined }],
    ["messages[0].role", { messages: [{ role: "robot", content: "" }] }],
    [
      "messages[1].content",
      { messages: [user, { role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] },
    ],
    ["messages[0].content", { messages: [{ role: "user", content: 1 }] }],
    ["messages[0].tool_calls[0].function.arguments", { messages: callWith("{") }],
    ["messages[0].tool_calls[0].function.arguments", { messages: callWith("[1]") }],
    ["max_tokens", { max_tokens: 0 }],
    ["max_tokens", { max_tokens: "7" }],
    ["temperature", { temperature: 3 }],
    ["top_p", { top_p: 0 }],
    ["presence_penalty", { presence_penalty: 2.5 }],
    ["logit_bias.x", { logit_bias: { x: 1 } }],
    ["seed", { seed: 1.5 }],
    ["stop", { stop: "" }],
    ["top_logprobs", { top_logprobs: 2 }],
    ["top_logprobs", { logprobs: true, top_logprobs: 21 }],
    ["stream_options", { stream_options: { include_usage: true } }],
    ["tools[0].type", { tools: [{ type: "custom", custom: { name: "x" } }] }],
    ["tool_choice", { tools: [TOOL], tool_choice: "required" }],
    ["tool_choice", { tools: [TOOL], tool_choice: { type: "function", function: { name: "add" } } }],
    ["parallel_tool_calls", { parallel_tool_calls: false }],
    ["n", { n: 2 }],
    ["response_format", { response_format: { type: "json_object" } }],
    ["response_format", { response_format: { type: "json_schema", json_schema: { name: "x", schema: {} } } }],
    ["modalities", { modalities: ["text", "audio"] }],
    ["store", { store: true }],
    ["functions", { functions: [] }],
    ["function_call", { function_call: "auto" }],
    ["audio", { audio: {} }],
    ["web_search_options", { web_search_options: {} }],
    ["reasoning_effort", { reasoning_effort: "low" }],
    ["verbosity", { verbosity: "low" }],
  ])("names the field %s of %j", async (param, fields) => {
    const model = new FakeModel();
    const response = await ask(createHandler(model), fields);
    expect(response.status).toBe(400);
    const error = await toldError(response);
    expect(error).toMatchObject({ type: "invalid_request_error", param });
    expect(error.message).toMatch(param);
    expect(model.requests).toEqual([]);
  });

  it("may be no object at all", async () => {
    const response = await createHandler(new FakeModel())("http://localhost/v1/chat/completions", {
      method: "POST",
      body: "[]",
    });
    expect(await toldError(response)).toMatchObject({
      message: "The body must be a JSON object.",
      code: "invalid_value",
    });
  });

  it("may name a model that is not there", async () => {
    const response = await ask(createHandler(new FakeModel(), { modelNames: ["org/tiny"] }), { model: "gpt-5" });
    expect(response.status).toBe(404);
    expect(await toldError(response)).toMatchObject({
      message: `The model "gpt-5" is not served here; 'org/tiny' is.`,
      code: "model_not_found",
    });
  });
});

describe("an error of the model", () => {
  it.each([
    ["INVALID_OPTION", 400],
    ["MODEL_DISPOSED", 503],
    ["INTERNAL", 500],
  ] as const)("with the code %s has the status %i", async (code, status) => {
    const response = await ask(createHandler(new FakeModel([new PunieError(code, "It is so.")])));
    expect(response.status).toBe(status);
    expect(await toldError(response)).toMatchObject({ message: "It is so.", code });
  });

  it("of the model about an option names the field that a client knows", async () => {
    const refused = new PunieError("INVALID_OPTION", 'logitBias[9]: expected token ids, received "9".');
    const response = await ask(createHandler(new FakeModel([refused])));
    expect([response.status, await toldError(response)]).toEqual([
      400,
      expect.objectContaining({
        message: 'logit_bias[9]: expected token ids, received "9".',
        param: "logit_bias[9]",
        code: "invalid_value",
      }),
    ]);
  });

  it("that is none of ours is logged, and told without its text", async () => {
    const logged: string[] = [];
    const model = new FakeModel([new Error("secret")]);
    const response = await ask(createHandler(model, { log: (level, message) => logged.push(`${level} ${message}`) }));
    expect(response.status).toBe(500);
    expect((await toldError(response)).message).toBe("Internal error of the server.");
    expect(logged.some((line) => line.startsWith("error /v1/chat/completions: Error: secret"))).toBe(true);
  });
});

it("logs requests and answers without their text", async () => {
  const logged: string[] = [];
  const handler = createHandler(new FakeModel(), { log: (level, message) => logged.push(`${level} ${message}`) });
  await (await ask(handler)).text();
  expect(logged).toEqual([
    expect.stringMatching(/^info chatcmpl-\S+ stop, 5 \+ 3 tokens in \d+ ms$/),
    expect.stringMatching(/^info POST \/v1\/chat\/completions 200 \d+ ms$/),
  ]);
});
