import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { finished, type RunResult, runPunie, startPunie } from "../helpers/run-punie.js";
import { copyTinyModel, TINY_MODEL } from "../helpers/tiny-model.js";

const NO_SOCKETS = fileURLToPath(new URL("../helpers/no-sockets.cjs", import.meta.url));

let home: string;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "punie-home-"));
});
afterAll(() => rmSync(home, { recursive: true }));

const running: ChildProcessWithoutNullStreams[] = [];
afterEach(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
});

interface Serving {
  child: ChildProcessWithoutNullStreams;
  url: string;
  ended: Promise<RunResult>;
}

/** `punie serve` of the tiny model on a free port, once it says where. */
async function serve(args: string[] = [], env: Record<string, string> = {}): Promise<Serving> {
  const child = startPunie(["serve", "--model", TINY_MODEL, "--port", "0", ...args], { env: { HOME: home, ...env } });
  running.push(child);
  const ended = finished(child);
  let written = "";
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on("data", (text: string) => {
      written += text;
      const found = /Serving \S+ on (\S+)\n/.exec(written)?.[1];
      if (found !== undefined) resolve(found);
    });
    void ended.then(({ exitCode }) => reject(new Error(`ended with ${exitCode}: ${written}`)));
  });
  return { child, url, ended };
}

function client(url: string, apiKey = "none"): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
}

const FRANCE = { model: "local", messages: [{ role: "user" as const, content: "What is the capital of France?" }] };
/** Goes on to the end of the context. */
const ENDLESS = { ...FRANCE, logit_bias: { "1261": -100, "1263": -100 }, max_tokens: 1_000_000 };

describe("punie serve", () => {
  it("answers, logs no word of it, and ends with 130 on Ctrl-C", async () => {
    const { child, url, ended } = await serve();
    const { choices } = await client(url).chat.completions.create(FRANCE);
    expect(choices[0]?.message.content).toBe("The capital of France is Paris.");
    child.kill("SIGINT");
    const { stdout, stderr, exitCode } = await ended;
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 130 });
    expect(stderr).toContain(`base URL ${url}/v1, model "tiny-coder-4bit"`);
    const log = readFileSync(join(home, ".punie", "logs", "punie.log"), "utf8");
    expect(log).toMatch(/ info POST \/v1\/chat\/completions 200 \d+ ms\n/);
    expect(log).not.toMatch(/France|Paris/);
  });

  it("tells a running stream when SIGTERM stops it, and ends with 143", async () => {
    const { child, url, ended } = await serve();
    const stream = await client(url).chat.completions.create({ ...ENDLESS, stream: true });
    const read = async () => {
      let pieces = 0;
      for await (const _ of stream) if (++pieces === 1) child.kill("SIGTERM");
    };
    await expect(read()).rejects.toMatchObject({ code: "stopping" });
    expect((await ended).exitCode).toBe(143);
  });

  it("stops at once while a client keeps its connection open", async () => {
    const { child, url, ended } = await serve();
    const response = await fetch(`${url}/health`);
    expect(response.headers.get("connection")).toBe("keep-alive");
    child.kill("SIGINT");
    expect((await ended).exitCode).toBe(130);
  });

  it("needs the API key of the environment or of the flag, which comes first", async () => {
    const { url } = await serve(["--api-key", "flag"], { PUNIE_API_KEY: "environment" });
    expect((await client(url, "flag").models.list()).data.map(({ id }) => id)).toEqual(["tiny-coder-4bit"]);
    await expect(client(url, "environment").models.list()).rejects.toMatchObject({ status: 401 });
    expect((await fetch(`${url}/health`)).status).toBe(200);
    const other = await serve([], { PUNIE_API_KEY: "environment" });
    await expect(client(other.url, "flag").models.list()).rejects.toMatchObject({ status: 401 });
  });

  it("answers for this machine's own names when it listens at every address, and for those it is told", async () => {
    const { child, url, ended } = await serve(["--host", "0.0.0.0", "--allow-host", "box.example"]);
    const { port } = new URL(url);
    const status = (host: string) =>
      new Promise((resolve, reject) => {
        const options = { host: "127.0.0.1", port, path: "/health", headers: { host: `${host}:${port}` } };
        request(options, (response) => resolve(response.resume().statusCode))
          .on("error", reject)
          .end();
      });
    const hosts = ["127.0.0.1", "localhost", hostname(), "box.example", "evil.example"];
    expect(await Promise.all(hosts.map(status))).toEqual([200, 200, 200, 200, 403]);
    child.kill("SIGINT");
    expect((await ended).stderr).toContain("Whoever can reach this address can use the model");
  });

  it("warns of a log that can't be written, and serves", async () => {
    const file = join(home, "file");
    writeFileSync(file, "");
    const { child, url, ended } = await serve(["--log-dir", join(file, "logs")]);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    child.kill("SIGINT");
    expect((await ended).stderr).toMatch(/^No log is written: /);
  });
});

describe("punie serve that can't", () => {
  const run = (...args: string[]) =>
    runPunie(["serve", ...args], { env: { HOME: home, HF_HUB_CACHE: join(home, "hub") } });

  it("says how to download a model that is missing, and opens no socket", async () => {
    const args = ["serve", "--model", "org/absent", "--models-dir", join(home, "models")];
    const env = { HOME: home, HF_HUB_CACHE: join(home, "hub") };
    expect(await runPunie(args, { env, preload: [NO_SOCKETS] })).toEqual({
      stdout: "",
      stderr: `Model 'org/absent' is not downloaded.\nDownload it with: punie download-model org/absent --models-dir ${join(home, "models")}\n`,
      exitCode: 1,
    });
  });

  it("says that a path is not there", async () => {
    const { stdout, stderr, exitCode } = await run("--model", "./absent");
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
    expect(stderr).toBe("./absent: there is no such file or directory.\n");
  });

  it("says that a model has no tokenizer", async () => {
    const model = await copyTinyModel(["tokenizer.json"]);
    const { stderr, exitCode } = await run("--model", model.path);
    await model.remove();
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`${model.path}: serving needs a tokenizer`);
  });

  it("says that its port is taken", async () => {
    const server: Server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const { stdout, stderr, exitCode } = await run("--model", TINY_MODEL, "--port", String(port));
    server.close();
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
    expect(stderr).toBe(
      `Can't listen on 127.0.0.1, port ${port}: something else listens there already. Stop it, or choose another port with --port.\n`,
    );
  });

  it.each([
    ["--port", "65536", "Expected a port from 0 to 65535."],
    ["--host", "", "Expected a host name or an address."],
    ["--allow-host", "box.example:8000", "Expected a host name or an address, without a port."],
    ["--allow-host", "http://box.example", "Expected a host name or an address, without a port."],
    ["--port", "http", "Expected a port from 0 to 65535."],
    ["--log-level", "loud", "Allowed choices are error, warn, info, debug."],
  ])("refuses %s %s as wrong usage", async (flag, value, message) => {
    const { stdout, stderr, exitCode } = await run(flag, value);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 2 });
    expect(stderr).toContain(message);
  });
});
