import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { BodyQueue } from "../../src/hub/body-queue.js";
import { downloadModel } from "../../src/hub/download-model.js";
import { createFetch } from "../../src/hub/network.js";
import { releaseMemory } from "../../src/hub/release-memory.js";
import { NAME, setUpHub } from "../helpers/fake-hub-setup.js";

const setup = setUpHub();

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listen(server: Server): Promise<string> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A proxy that tunnels, and the places that it was asked for. */
async function startProxy(): Promise<{ address: string; asked: string[] }> {
  const asked: string[] = [];
  const proxy = createServer().on("connect", (request, socket) => {
    asked.push(request.url ?? "");
    const [host = "", port] = (request.url ?? "").split(":");
    const through = connect(Number(port), host, () => socket.write("HTTP/1.1 200 OK\r\n\r\n"));
    through.pipe(socket).pipe(through);
    through.on("error", () => socket.destroy());
    socket.on("error", () => through.destroy());
  });
  return { address: await listen(proxy), asked };
}

describe("proxies", () => {
  test.each(["HTTP_PROXY", "http_proxy"])("all goes through that of %s, and not what NO_PROXY names", async (name) => {
    const { address, asked } = await startProxy();
    const env = { [name]: `http://${address}` };
    await downloadModel(NAME, setup.options({}, env));
    await setup.expectWhole();
    const hosts = [setup.hub.endpoint, setup.hub.cdn].map((url) => url.replace("http://", ""));
    expect(new Set(asked)).toEqual(new Set(hosts));
    asked.length = 0;
    await downloadModel(NAME, setup.options({ force: true }, { ...env, NO_PROXY: "localhost,127.0.0.1" }));
    expect(asked).toEqual([]);
  });

  test("one that is no URL is told of without what it says", async () => {
    const failing = downloadModel(NAME, setup.options({}, { HTTPS_PROXY: "user:secret@proxy" }));
    await expect(failing).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.not.stringContaining("secret"),
    });
  });

  test("one that isn't there gives HUB_UNREACHABLE", async () => {
    const failing = downloadModel(NAME, setup.options({}, { HTTP_PROXY: "http://127.0.0.1:9" }));
    await expect(failing).rejects.toMatchObject({
      code: "HUB_UNREACHABLE",
      message: expect.stringContaining("the proxy 127.0.0.1:9 (HTTP_PROXY): ECONNREFUSED"),
    });
    const nameless = downloadModel(NAME, setup.options({}, { HTTP_PROXY: "http://user:secret@proxy.invalid:3128" }));
    await expect(nameless).rejects.toMatchObject({
      message: expect.stringMatching(/: the proxy proxy\.invalid:3128 \(HTTP_PROXY\): E[A-Z_]+\./),
    });
  });
});

describe("certificates", () => {
  /** A server whose certificate nobody has signed but itself; it has no models. */
  async function startTls(): Promise<{ endpoint: string; certificate: string }> {
    const [key, certificate] = ["key.pem", "certificate.pem"].map((name) => join(setup.home, name)) as [string, string];
    const files = ["-keyout", key, "-out", certificate];
    const names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
    execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", ...files, ...names], {
      stdio: "ignore",
    });
    const server = createTlsServer(
      { key: readFileSync(key), cert: readFileSync(certificate) },
      (_request, response) => {
        response.writeHead(404, { "X-Error-Code": "RepoNotFound" }).end();
      },
    );
    return { endpoint: `https://${await listen(server)}`, certificate };
  }

  test.each(["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])("those of %s are trusted", async (name) => {
    const { endpoint: HF_ENDPOINT, certificate } = await startTls();
    const { address, asked } = await startProxy();
    await expect(downloadModel(NAME, setup.options({}, { HF_ENDPOINT }))).rejects.toMatchObject({
      code: "HUB_UNREACHABLE",
      message: expect.stringContaining("SELF_SIGNED"),
    });
    for (const proxy of [{}, { HTTPS_PROXY: `http://${address}` }]) {
      const failing = downloadModel(NAME, setup.options({}, { HF_ENDPOINT, [name]: certificate, ...proxy }));
      await expect(failing).rejects.toMatchObject({ code: "HUB_NOT_FOUND" });
    }
    expect(asked.length).toBeGreaterThan(0);
  });

  test("a file of them that isn't there is told of", async () => {
    const SSL_CERT_FILE = join(setup.home, "none.pem");
    await expect(downloadModel(NAME, setup.options({}, { SSL_CERT_FILE }))).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringContaining(`SSL_CERT_FILE: ${SSL_CERT_FILE}`),
    });
  });
});

describe("the body of an answer", () => {
  const piece = (text: string) => Buffer.from(text);

  test("what came before the connection was lost is read before the error", async () => {
    const body = new BodyQueue({ pause: () => {}, resume: () => {}, abort: () => {} });
    body.push(piece("a"));
    body.push(piece("b"));
    body.end(new Error("lost"));
    const read: string[] = [];
    const reading = (async () => {
      for await (const part of body) read.push(Buffer.from(part).toString());
    })();
    await expect(reading).rejects.toThrow("lost");
    expect(read).toEqual(["a", "b"]);
  });

  test("a connection that is faster than its reader is held back", async () => {
    const flow: string[] = [];
    const tell = (what: string) => () => void flow.push(what);
    const body = new BodyQueue({ pause: tell("pause"), resume: tell("resume"), abort: tell("abort") });
    for (let i = 0; i < 20; i++) body.push(Buffer.alloc(64 * 1024));
    expect(flow).toEqual(["pause"]);
    const pieces = body[Symbol.asyncIterator]();
    for (let i = 0; i < 20; i++) await pieces.next();
    expect(flow).toEqual(["pause", "resume"]);
    await body.cancel();
    expect(flow).toEqual(["pause", "resume", "abort"]);
  });

  test("its pieces' memory is given back, and only what is a piece's own", () => {
    const own = new Uint8Array(64 * 1024);
    const shared = new Uint8Array(64 * 1024);
    const part = shared.subarray(0, 32 * 1024);
    const small = Buffer.from("small");
    releaseMemory([own, part, small]);
    expect([own.byteLength, part.byteLength, shared.byteLength, small.toString()]).toEqual([
      0,
      32 * 1024,
      64 * 1024,
      "small",
    ]);
  });

  test("a request rejects with the reason of its signal, before the answer and after", async () => {
    const server = createServer((request, response) => {
      if (request.url === "/begun") response.write("x");
    });
    const address = await listen(server);
    const { fetch, close } = createFetch({});
    for (const url of ["/silent", "/begun"]) {
      const controller = new AbortController();
      const reason = new Error("enough");
      const reading = (async () => {
        const { body } = await fetch(`http://${address}${url}`, { signal: controller.signal });
        for await (const _piece of body ?? []) controller.abort(reason);
      })();
      if (url === "/silent") setTimeout(() => controller.abort(reason), 50);
      await expect(reading).rejects.toBe(reason);
    }
    await expect(fetch(`http://${address}/`, { signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow(
      "before",
    );
    await close();
  });
});
