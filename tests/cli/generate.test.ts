import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MAIN, runPunie } from "../helpers/run-punie.js";
import { copyTinyModel, TINY_MODEL } from "../helpers/tiny-model.js";

const QUESTION = "What is the capital of France?";
const ANSWER = "The capital of France is Paris.";
const generate = (...args: string[]) => runPunie(["generate", "--model", TINY_MODEL, ...args]);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "punie-generate-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

describe("punie generate", () => {
  it("writes the answer, and only that, where stderr is no terminal", async () => {
    expect(await generate("--prompt", QUESTION)).toEqual({ stdout: `${ANSWER}\n`, stderr: "", exitCode: 0 });
  });

  it("writes rates and times to stderr with --stats", async () => {
    const { stdout, stderr } = await generate("--prompt", QUESTION, "--stats");
    expect(stdout).toBe(`${ANSWER}\n`);
    expect(stderr).toMatch(/^Prompt: 27 tokens, [\d.]+ tokens\/s; answer: 7 tokens, [\d.]+ tokens\/s \(stop\)\n/);
  });

  it("takes the prompt from a file, from stdin, from messages and as ids", async () => {
    const byFile = await generate("--prompt-file", await file("prompt.txt", QUESTION));
    const byMessages = await generate(
      "--messages",
      await file("m.json", JSON.stringify([{ role: "user", content: QUESTION }])),
    );
    const byStdin = await runPunie(["generate", "--model", TINY_MODEL, "--prompt-file", "-"], { input: QUESTION });
    const { promptTokens } = JSON.parse((await generate("--prompt", QUESTION, "--json")).stdout);
    const byIds = await generate("--prompt-ids", promptTokens.join(","));
    for (const run of [byFile, byMessages, byStdin, byIds]) {
      expect(run).toEqual({ stdout: `${ANSWER}\n`, stderr: "", exitCode: 0 });
    }
  });

  it("puts a system message before the prompt", async () => {
    const turns = [
      { role: "system", content: "Be brief." },
      { role: "user", content: QUESTION },
    ];
    const whole = await generate("--messages", await file("s.json", JSON.stringify(turns)), "--json");
    const { stdout } = await generate("--system", "Be brief.", "--prompt", QUESTION, "--json");
    expect(JSON.parse(stdout).promptTokens).toEqual(JSON.parse(whole.stdout).promptTokens);
    const plain = JSON.parse((await generate("--prompt", QUESTION, "--json")).stdout);
    expect(JSON.parse(stdout).promptTokens).not.toEqual(plain.promptTokens);
  });

  it("goes on from raw text without a template", async () => {
    const { stdout } = await generate("--raw", "--prompt", "def add(", "--max-tokens", "3", "--json");
    const { promptTokens, finishReason } = JSON.parse(stdout);
    expect({ count: promptTokens.length, finishReason }).toEqual({ count: 3, finishReason: "length" });
  });

  it("with --json prints one object that has all that was promised", async () => {
    const { stdout, stderr, exitCode } = await generate("--prompt", QUESTION, "--json", "--logprobs", "2");
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    const result = JSON.parse(stdout);
    expect(result).toEqual({
      text: ANSWER,
      promptTokens: expect.any(Array),
      tokens: expect.any(Array),
      toolCalls: [],
      invalidToolCalls: [],
      reasoning: "",
      finishReason: "stop",
      usage: { promptTokens: 27, cachedTokens: 0, completionTokens: 7 },
      timings: {
        loadMs: expect.any(Number),
        promptMs: expect.any(Number),
        firstTokenMs: expect.any(Number),
        generationMs: expect.any(Number),
        promptTokensPerSecond: expect.any(Number),
        generationTokensPerSecond: expect.any(Number),
      },
      memory: {
        peakBytes: expect.any(Number),
        modelBytes: expect.any(Number),
        cacheBytes: expect.any(Number),
        workBytes: expect.any(Number),
      },
      model: {
        path: TINY_MODEL,
        modelType: "qwen2",
        quantization: { mode: "affine", bits: 4, groupSize: 64 },
        device: "cpu",
      },
    });
    expect(result.tokens.map(({ text }: { text: string }) => text).join("")).toBe(ANSWER);
    for (const token of result.tokens) {
      expect(token.top).toHaveLength(2);
      expect(token.top[0]).toEqual({ id: token.id, text: token.text, logprob: token.logprob });
      expect(token.top[1].logprob).toBeLessThanOrEqual(token.logprob);
    }
  });

  it("calls the tools that it is given", async () => {
    const tool = {
      type: "function",
      function: {
        name: "read_file",
        description: "Read a file.",
        parameters: { type: "object", properties: { path: { type: "string" } }, required: ["path"] },
      },
    };
    const tools = await file("tools.json", JSON.stringify([tool]));
    const { stdout } = await generate("--prompt", "Read the file main.py", "--tools", tools, "--json");
    expect(JSON.parse(stdout)).toMatchObject({ toolCalls: [{ name: "read_file" }], finishReason: "tool-calls" });
    const plain = await generate("--prompt", "Read the file main.py", "--tools", tools);
    expect(JSON.parse(plain.stdout)).toMatchObject({ name: "read_file", arguments: { path: expect.any(String) } });
  });

  it("stops at a stop string and honours a seed", async () => {
    expect((await generate("--prompt", QUESTION, "--stop", " is")).stdout).toBe("The capital of France\n");
    const sampled = ["--raw", "--prompt", "The", "--temperature", "2", "--max-tokens", "20", "--ignore-eos", "--seed"];
    const [first, again, other] = await Promise.all(["1", "1", "2"].map((seed) => generate(...sampled, seed)));
    expect(again).toEqual(first);
    expect(other?.stdout).not.toBe(first?.stdout);
  });

  it("goes on to the limit with --ignore-eos", async () => {
    const { stdout } = await generate("--prompt", QUESTION, "--ignore-eos", "--max-tokens", "20", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ finishReason: "length", usage: { completionTokens: 20 } });
  });

  it("works on a directory without a tokenizer, in ids", async () => {
    const { path, remove } = await copyTinyModel(["tokenizer.json", "tokenizer_config.json"]);
    try {
      const args = ["generate", "--model", path, "--prompt-ids", "1,2,3", "--max-tokens", "4", "--ignore-eos"];
      expect((await runPunie(args)).stdout).toMatch(/^\d+,\d+,\d+,\d+\n$/);
      const { text, tokens } = JSON.parse((await runPunie([...args, "--json"])).stdout);
      expect({ text, texts: tokens.map((token: { text: unknown }) => token.text) }).toEqual({
        text: null,
        texts: [null, null, null, null],
      });
      const refused = await runPunie(["generate", "--model", path, "--prompt", "x"]);
      expect(refused).toMatchObject({ stdout: "", exitCode: 1, stderr: expect.stringContaining("tokenizer.json") });
    } finally {
      await remove();
    }
  });

  it.each([
    ["an empty prompt", 2, () => ["--prompt", ""], "The prompt is empty"],
    ["a file that isn't there", 1, () => ["--prompt-file", join(folder, "absent")], "--prompt-file"],
    ["messages that are no JSON", 2, async () => ["--messages", await file("bad.json", "[{")], "not valid JSON"],
    ["messages without roles", 2, async () => ["--messages", await file("odd.json", "[{}]")], "messages[0].role"],
    [
      "a file that is no text",
      2,
      async () => ["--prompt-file", await file("binary", Uint8Array.of(0xff, 0xfe, 0))],
      "--prompt-file",
    ],
    [
      "ids past the vocabulary",
      2,
      () => ["--prompt-ids", "1280"],
      "--prompt-ids[0]: expected a token id from 0 to 1279",
    ],
    [
      "a prompt longer than the context",
      1,
      () => ["--prompt", QUESTION, "--context-length", "5"],
      "The prompt has 27 tokens; the context holds 5",
    ],
    [
      "a longer context than the model's",
      2,
      () => ["--prompt", "x", "--context-length", "4096"],
      "--context-length: expected at most 2048",
    ],
    [
      "a device that isn't here",
      2,
      () => ["--prompt", "x", "--device", "cuda"],
      "--device: expected one that this machine",
    ],
  ])("refuses %s with exit code %i and an empty stdout", async (_, expected, args, message) => {
    const { stdout, stderr, exitCode } = await generate(...(await args()));
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: expected });
    expect(stderr).toContain(message);
    expect(stderr).not.toContain("    at ");
  });

  it("says that stdout can't be written, as of a full disk, without a word of a fault of ours", async () => {
    const readOnly = await open(join(TINY_MODEL, "config.json"), "r");
    try {
      const child = spawn(process.execPath, [MAIN, "generate", "--model", TINY_MODEL, "--prompt", QUESTION], {
        stdio: ["ignore", readOnly.fd, "pipe"],
      });
      const [stderr, [exitCode]] = await Promise.all([text(child.stderr as Readable), once(child, "close")]);
      expect(stderr).toMatch(/^Can't write to stdout: EBADF[^\n]*\n$/);
      expect(exitCode).toBe(1);
    } finally {
      await readOnly.close();
    }
  });
});
