import { describe, expect, it } from "vitest";
import { createHandler } from "../../src/server/index.js";
import { ORIGIN, toldError } from "./ask.js";
import { FakeModel } from "./fake-model.js";

const allowedHosts = ["box.example", "192.168.1.7", "fe80::1"];
const handler = createHandler(new FakeModel(), { allowedHosts });

describe("the Host of a request", () => {
  it.each(["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000", "app.localhost"])(
    "may be a loopback name: %s",
    async (host) => {
      expect((await handler(`${ORIGIN}/health`, { headers: { host } })).status).toBe(200);
    },
  );

  it.each(["box.example:8000", "Box.Example", "192.168.1.7:8000", "[fe80::1]:8000"])(
    "may be an allowed one: %s",
    async (host) => {
      expect((await handler(`${ORIGIN}/health`, { headers: { host } })).status).toBe(200);
    },
  );

  it.each([
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "192.168.1.8",
    "@localhost",
    "",
  ])("may not be another: %j", async (host) => {
    const response = await handler(`${ORIGIN}/v1/models`, { headers: { host } });
    expect(response.status).toBe(403);
    expect(await toldError(response)).toMatchObject({ code: "host_not_allowed" });
  });
});

describe("the Origin of a request", () => {
  it.each([
    ["http://localhost:8000", "localhost:8000"],
    ["https://box.example", "box.example"],
  ])("may be the server itself: %s at %s", async (origin, host) => {
    expect((await handler(`${ORIGIN}/health`, { headers: { origin, host } })).status).toBe(200);
  });

  it.each([
    ["http://evil.example", "localhost:8000"],
    ["http://localhost:3000", "localhost:8000"],
    ["http://127.0.0.1:8000", "localhost:8000"],
    ["null", "localhost:8000"],
    ["file://", "localhost:8000"],
  ])("may not be another: %s at %s", async (origin, host) => {
    const response = await handler(`${ORIGIN}/v1/models`, { headers: { origin, host } });
    expect(response.status).toBe(403);
    expect(await toldError(response)).toMatchObject({ code: "origin_not_allowed" });
  });

  it("is compared with the URL where there is no Host, in process", async () => {
    expect((await handler(`${ORIGIN}/health`, { headers: { origin: ORIGIN } })).status).toBe(200);
    expect((await handler(`${ORIGIN}/health`, { headers: { origin: "http://evil.example" } })).status).toBe(403);
  });
});

describe("an API key", () => {
  const locked = createHandler(new FakeModel(), { apiKey: "s3cret" });

  it.each(["/v1/models", "/echo", "/v1/chat/completions", "/nothing"])("is needed for %s", async (path) => {
    const response = await locked(`${ORIGIN}${path}`);
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toBe("Bearer");
    expect(await toldError(response)).toMatchObject({ type: "authentication_error", code: "invalid_api_key" });
  });

  it.each(["Bearer s3cre", "Bearer s3cret2", "Bearer ", "Basic s3cret", "s3cret"])(
    "is not %j",
    async (authorization) => {
      expect((await locked(`${ORIGIN}/v1/models`, { headers: { authorization } })).status).toBe(401);
    },
  );

  it.each(["Bearer s3cret", "bearer s3cret"])("opens the server as %j", async (authorization) => {
    expect((await locked(`${ORIGIN}/v1/models`, { headers: { authorization } })).status).toBe(200);
  });

  it("is not needed for /health", async () => {
    expect((await locked(`${ORIGIN}/health`)).status).toBe(200);
  });
});
