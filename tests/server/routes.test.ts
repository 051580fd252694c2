import { describe, expect, it } from "vitest";
import { PunieError } from "../../src/errors.js";
import { createHandler, type ServedModel } from "../../src/server/index.js";
import { ORIGIN, toldError } from "./ask.js";
import { FakeModel } from "./fake-model.js";

const handler = createHandler(new FakeModel(), { modelNames: ["org/tiny", "tiny"], bodyLimitBytes: 1000 });

function post(path: string, body: string | Uint8Array<ArrayBuffer>): Promise<Response> {
  return handler(`${ORIGIN}${path}`, { method: "POST", body });
}

describe("createHandler", () => {
  it("takes a URL text, a URL or a Request, as fetch does", async () => {
    const url = `${ORIGIN}/health`;
    for (const input of [url, new URL(url), new Request(url)]) {
      expect(await (await handler(input)).json()).toEqual({ status: "ok" });
    }
  });

  it.each([
    [{ concurrency: 0 }, "concurrency: expected an integer of at least 1, received 0."],
    [
      { allowedHosts: ["box.example:8000"] },
      'allowedHosts: expected names or addresses without a port, received "box.example:8000".',
    ],
    [{ queueLimit: -1 }, "queueLimit: expected an integer of at least 0, received -1."],
    [{ bodyLimitBytes: 0 }, "bodyLimitBytes: expected an integer of at least 1, received 0."],
    [{ keepAliveMs: 0.5 }, "keepAliveMs: expected an integer of at least 1, received 0.5."],
    [{ apiKey: "" }, "apiKey: expected a key, received an empty one."],
  ])("refuses the options %j", (options, message) => {
    expect(() => createHandler(new FakeModel(), options)).toThrow(new PunieError("INVALID_OPTION", message));
  });

  it.each([
    [{ name: "./models/mine", path: "/home/me/models/mine" }, ["mine", "./models/mine", "/home/me/models/mine"]],
    [{ name: "org/tiny", path: "/cache/org--tiny" }, ["org/tiny", "local:org/tiny"]],
  ])("serves %j under its own names, and local", async (info, [first, ...others]) => {
    const own = createHandler(Object.assign(new FakeModel(), { info }));
    const listed = await (await own(`${ORIGIN}/v1/models`)).json();
    expect(listed).toMatchObject({ data: [{ id: first }] });
    for (const name of [first, ...others, "local"]) {
      expect((await own(`${ORIGIN}/v1/models/${encodeURIComponent(name as string)}`)).status, name).toBe(200);
    }
    expect((await own(`${ORIGIN}/v1/models/org--tiny`)).status).toBe(404);
  });

  it("refuses what is no model", () => {
    expect(() => createHandler({} as ServedModel)).toThrow(/^model: expected what loadModel returned/);
  });
});

describe("GET /health", () => {
  it("says ok", async () => {
    const response = await handler(`${ORIGIN}/health`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: "ok" });
  });
});

describe("POST /echo", () => {
  it("returns the document it was sent", async () => {
    const text = '{"a": [1, 2.50, null], "b": "ünï🎉"}';
    const response = await post("/echo", text);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.text()).toBe(text);
  });

  it.each([
    ["an empty body", "", 400, "invalid_json", /it is empty/],
    ["what is not JSON", "{nope", 400, "invalid_json", /must be a JSON document/],
    ["what is not UTF-8", Uint8Array.of(0x22, 0xff, 0x22), 400, "invalid_json", /UTF-8/],
    ["what nests without end", "[".repeat(100) + "]".repeat(100), 400, "invalid_json", /64 levels/],
    ["what is too large", JSON.stringify("x".repeat(2000)), 413, "body_too_large", /larger than 1000 bytes/],
  ])("refuses %s", async (_what, body, status, code, message) => {
    const response = await post("/echo", body);
    expect(response.status).toBe(status);
    expect(await toldError(response)).toMatchObject({
      type: "invalid_request_error",
      code,
      message: expect.stringMatching(message),
    });
  });

  it("refuses a body of more values than any request has, before it makes them", async () => {
    const many = createHandler(new FakeModel(), { bodyLimitBytes: 10_000_000 });
    const body = `["\\\\\\"[[[",${"[],".repeat(600_000)}[]]`;
    const response = await many(`${ORIGIN}/echo`, { method: "POST", body });
    expect(response.status).toBe(400);
    expect(await toldError(response)).toMatchObject({ message: expect.stringMatching(/500000 values/) });
  });

  it("refuses a body that is too large and doesn't say so beforehand", async () => {
    const chunk = new TextEncoder().encode(" ".repeat(600));
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue(chunk);
      },
    });
    const response = await handler(`${ORIGIN}/echo`, { method: "POST", body, duplex: "half" } as RequestInit);
    expect(response.status).toBe(413);
  });
});

describe("GET /v1/models", () => {
  it("lists the served model under its first name", async () => {
    const body = await (await handler(`${ORIGIN}/v1/models`)).json();
    const model = { id: "org/tiny", object: "model", created: expect.any(Number), owned_by: "punie" };
    expect(body).toEqual({ object: "list", data: [model] });
  });

  it.each(["org/tiny", "org%2Ftiny", "tiny", "local", "local:org/tiny"])("shows it as %s", async (name) => {
    expect(await (await handler(`${ORIGIN}/v1/models/${name}`)).json()).toMatchObject({ id: "org/tiny" });
  });

  it.each(["org/other", "%E0%A4"])("knows no %s", async (name) => {
    const response = await handler(`${ORIGIN}/v1/models/${name}`);
    expect(response.status).toBe(404);
    expect(await toldError(response)).toMatchObject({ param: "model", code: "model_not_found" });
  });
});

describe("other requests", () => {
  it("says that there is nothing at an unknown path", async () => {
    const response = await handler(`${ORIGIN}/v1/nothing`);
    expect(response.status).toBe(404);
    expect(await toldError(response)).toMatchObject({ code: "not_found", message: "There is no /v1/nothing here." });
  });

  it("names the method that a path takes", async () => {
    const response = await handler(`${ORIGIN}/v1/chat/completions`);
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST");
    expect((await toldError(response)).message).toBe("/v1/chat/completions takes POST, not GET.");
  });
});
