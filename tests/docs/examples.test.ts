/** The programs of examples/, run as they stand, with the tiny model. */
import { spawn } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { finished, untilWritten } from "../helpers/run-punie.js";
import { TINY_MODEL } from "../helpers/tiny-model.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const EXAMPLES = fileURLToPath(new URL("../../build/examples-test/", import.meta.url));
const ENV = { ...process.env, PUNIE_MODEL: TINY_MODEL, NO_COLOR: "1" };

/** A copy of the examples in whose node_modules `punie` is this package, as npm would install it. */
beforeAll(async () => {
  await rm(EXAMPLES, { recursive: true, force: true });
  await cp(join(ROOT, "examples"), EXAMPLES, { recursive: true });
  await mkdir(join(EXAMPLES, "node_modules"));
  await symlink(ROOT, join(EXAMPLES, "node_modules", "punie"), "dir");
});

afterAll(() => rm(EXAMPLES, { recursive: true, force: true }));

describe("the command-line example", () => {
  async function summarize(input: string, env: NodeJS.ProcessEnv = ENV) {
    const child = spawn(process.execPath, [join(EXAMPLES, "cli", "summarize.js")], { env });
    child.stdin.end(input);
    return finished(child);
  }

  it("writes the model's answer to stdout and nothing else", async () => {
    const { stdout, stderr, exitCode } = await summarize("def add(a, b): return a + b");
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(stdout.trim()).not.toBe("");
  });

  it("says what is wrong on stderr", async () => {
    expect(await summarize(" ")).toMatchObject({ stdout: "", exitCode: 1, stderr: expect.stringContaining("stdin") });
    const missing = await summarize("x", { ...ENV, PUNIE_MODEL: "/no/such/model" });
    expect(missing).toMatchObject({ stdout: "", exitCode: 1, stderr: expect.stringMatching(/^MODEL_NOT_FOUND: /) });
  });
});

describe("the Hono example", () => {
  it("streams an answer, serves OpenAI's API beside it, and ends when told", async () => {
    const child = spawn(process.execPath, [join(EXAMPLES, "hono-route", "server.js")], { env: { ...ENV, PORT: "0" } });
    const ended = finished(child);
    try {
      let url = "";
      child.stdout.on("data", (chunk: Buffer) => {
        url += chunk.toString();
      });
      await untilWritten(child, /http:\/\/\S+\n/);
      url = url.trim();
      const post = (path: string, body: object) =>
        fetch(url + path, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(body),
        });

      const explained = await post("/explain", { code: "print(1)" });
      expect(explained.status).toBe(200);
      expect((await explained.text()).trim()).not.toBe("");
      expect((await post("/explain", {})).status).toBe(400);

      const messages = [{ role: "user", content: "Hello" }];
      const completed = await post("/v1/chat/completions", { model: "local", messages, max_tokens: 4 });
      expect(await completed.json()).toMatchObject({ object: "chat.completion", usage: { completion_tokens: 4 } });
    } finally {
      child.kill("SIGTERM");
    }
    expect(await ended).toMatchObject({ exitCode: 0, stderr: "" });
  });
});

describe("the Electron example", () => {
  const read = (file: string) => readFile(join(ROOT, "examples", "electron", file), "utf8");

  it("is of sound syntax", async () => {
    const files = await readdir(join(ROOT, "examples", "electron"));
    for (const file of files.filter((name) => /\.c?js$/.test(name))) {
      const child = spawn(process.execPath, ["--check", join(ROOT, "examples", "electron", file)]);
      child.stdin.end();
      expect({ file, ...(await finished(child)) }).toMatchObject({ file, exitCode: 0 });
    }
  });

  it("has a page that shows every kind of message that the model's process sends", async () => {
    const sent = `${await read("engine.js")}${await read("main.js")}`.matchAll(/\btype: "(\w+)"/g);
    const toPage = new Set(Array.from(sent, ([, type]) => type).filter((type) => type !== "ask" && type !== "stop"));
    const page = await read("page.js");
    expect(toPage.size).toBe(5);
    for (const type of toPage) expect(page).toMatch(new RegExp(`^ {2}${type}: `, "m"));
  });
});
