import { describe, expect, it } from "vitest";
import { createHandler, type Handler, type HandlerOptions } from "../../src/server/index.js";
import { ask, toldError } from "./ask.js";
import { FakeModel, until } from "./fake-model.js";

/** A handler whose one turn is taken by a request that has begun to answer. */
async function busy(options: HandlerOptions = {}) {
  const model = new FakeModel();
  const release = model.hold();
  const handler = createHandler(model, { concurrency: 1, ...options });
  const leave = new AbortController();
  const first = ask(handler, {}, { signal: leave.signal });
  await until(() => model.running === 1);
  return { model, release, handler, leave, first };
}

async function content(response: Promise<Response>): Promise<string> {
  const { choices } = (await (await response).json()) as { choices: { message: { content: string } }[] };
  return choices[0]?.message.content ?? "";
}

async function textOf(handler: Handler, fields: object): Promise<string> {
  return await (await ask(handler, fields)).text();
}

describe("requests", () => {
  it("run at once up to eight, and the others after them", async () => {
    const model = new FakeModel();
    const release = model.hold();
    const handler = createHandler(model);
    const answers = Array.from({ length: 11 }, (_, seed) => content(ask(handler, { seed })));
    await until(() => model.running === 8);
    release();
    expect(await Promise.all(answers)).toEqual(Array(11).fill("Hello"));
    expect(model.mostRunning).toBe(8);
    expect(model.running).toBe(0);
  });

  it("come to the model in the order they came", async () => {
    const { model, release, handler, first } = await busy();
    const others = [1, 2, 3].map((seed) => content(ask(handler, { seed })));
    release();
    expect(await Promise.all([content(first), ...others])).toEqual(Array(4).fill("Hello"));
    expect(model.mostRunning).toBe(1);
    expect(model.requests.map(({ seed }) => seed)).toEqual([undefined, 1, 2, 3]);
  });

  it.each([true, false])("get a 429 with Retry-After when too many wait (stream: %s)", async (stream) => {
    const { release, handler, first } = await busy({ queueLimit: 1 });
    const second = ask(handler);
    const third = await ask(handler, { stream });
    expect(third.status).toBe(429);
    expect(third.headers.get("retry-after")).toBe("1");
    expect(await toldError(third)).toMatchObject({ type: "rate_limit_error", code: "queue_full" });
    release();
    expect([await content(first), await content(second), await content(ask(handler))]).toEqual(Array(3).fill("Hello"));
  });

  it("leave their turn to the next when they are aborted", async () => {
    const { handler, release, leave, first, model } = await busy();
    const second = ask(handler);
    leave.abort();
    await expect(first).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
    release();
    expect(await content(second)).toBe("Hello");
    expect(model.running).toBe(0);
  });

  it("leave the queue when they are aborted there", async () => {
    const { handler, release, first, model } = await busy({ queueLimit: 1 });
    const leave = new AbortController();
    const second = ask(handler, {}, { signal: leave.signal });
    await new Promise((resolve) => setTimeout(resolve, 20));
    leave.abort();
    await expect(second).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
    const third = ask(handler);
    release();
    expect([await content(first), await content(third)]).toEqual(["Hello", "Hello"]);
    expect(model.requests).toHaveLength(2);
  });

  it("end with their stream when its reader cancels it", async () => {
    const model = new FakeModel();
    const release = model.hold();
    const handler = createHandler(model);
    const response = await ask(handler, { stream: true });
    await response.body?.cancel();
    await until(() => model.running === 0);
    release();
    expect(await content(ask(handler))).toBe("Hello");
  });

  it("end their stream when they are aborted", async () => {
    const model = new FakeModel();
    model.hold();
    const leave = new AbortController();
    const response = await ask(createHandler(model), { stream: true }, { signal: leave.signal });
    leave.abort();
    expect(await response.text()).not.toContain("[DONE]");
    expect(model.running).toBe(0);
  });

  it("free their turn when the model fails", async () => {
    const model = new FakeModel([new Error("no")]);
    const handler = createHandler(model);
    expect((await ask(handler)).status).toBe(500);
    expect(await textOf(handler, { stream: true })).toContain("Internal error");
    expect(model.requests).toHaveLength(2);
  });
});

describe("a server that stops", () => {
  it("answers what runs, waits and comes with a 503", async () => {
    const stop = new AbortController();
    const { handler, first, model } = await busy({ signal: stop.signal });
    const second = ask(handler);
    stop.abort();
    const responses = await Promise.all([first, second, ask(handler)]);
    expect(responses.map(({ status }) => status)).toEqual([503, 503, 503]);
    expect((await toldError(responses[0] as Response)).code).toBe("stopping");
    expect(model.running).toBe(0);
  });

  it("tells a stream that has begun", async () => {
    const stop = new AbortController();
    const model = new FakeModel();
    model.hold();
    const response = await ask(createHandler(model, { signal: stop.signal }), { stream: true });
    stop.abort();
    expect(await response.text()).toContain("The server is stopping.");
  });
});
