import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { finished, runPunie, startPunie, untilWritten } from "../helpers/run-punie.js";
import { copyTinyModel, TINY_MODEL } from "../helpers/tiny-model.js";

let home: string;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "punie-home-"));
});
afterAll(() => rmSync(home, { recursive: true }));

const run = (...args: string[]) =>
  runPunie(["benchmark", ...args], { env: { HOME: home, HF_HUB_CACHE: join(home, "hub") } });
const SHORT = ["--prompt-tokens", "32", "--generate-tokens", "8", "--repeat", "2"];

describe("punie benchmark", () => {
  it("prints its numbers, and nothing else, as JSON, also for a directory without a tokenizer", async () => {
    const model = await copyTinyModel(["tokenizer.json", "tokenizer_config.json"]);
    const { stdout, exitCode } = await run("--model", model.path, "--threads", "1", "--json", ...SHORT);
    await model.remove();
    expect(exitCode).toBe(0);
    const number = expect.any(Number);
    const spread = { median: number, min: number, max: number };
    expect(JSON.parse(stdout)).toEqual({
      model: model.path,
      device: expect.stringMatching(/^(cpu|metal|cuda)$/),
      threads: 1,
      promptTokens: 32,
      generateTokens: 8,
      batch: 1,
      repeats: 2,
      promptTokensPerSecond: spread,
      generationTokensPerSecond: spread,
      firstTokenMs: spread,
      loadMs: number,
      peakMemoryBytes: number,
      modelBytes: number,
      memoryBandwidthBytesPerSecond: number,
      bandwidthShare: number,
    });
  });

  it("prints a table for people", async () => {
    const { stdout, exitCode } = await run("--model", TINY_MODEL, ...SHORT);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      /^Model {8}.*\nDevice.*\nPrompt {7}32 tokens, [\d.]+ tokens\/s \([\d.]+ to [\d.]+\)\nGeneration {3}8 tokens/,
    );
    expect(stdout).toMatch(/Bandwidth {4}[\d.]+ GB\/s, of which generation uses \d+ %\n/);
  });

  it("measures requests at once, and says of how many it speaks", async () => {
    const batch = ["--model", TINY_MODEL, "--batch", "3", ...SHORT];
    const { stdout, exitCode } = await run(...batch);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/Prompt {7}3 × 32 tokens, .*\nGeneration {3}3 × 8 tokens, /);
    expect(JSON.parse((await run(...batch, "--json")).stdout)).toMatchObject({ batch: 3, generateTokens: 8 });
  });

  it("prints no spread of one measurement", async () => {
    const { stdout } = await run("--model", TINY_MODEL, ...SHORT, "--repeat", "1");
    expect(stdout).toMatch(/Prompt {7}32 tokens, [\d.]+ tokens\/s\n/);
    expect(stdout).not.toContain("Median");
  });

  it("leaves no made-up weights behind when Ctrl-C stops it", async () => {
    // Shared memory where there is some, else the temporary directory.
    const places = ["/dev/shm", tmpdir()];
    const made = () => places.flatMap(list).filter((name) => name.startsWith("punie-shape-"));
    const before = made();
    const child = startPunie(["benchmark", "--shape", "qwen2.5-coder-0.5b"], { env: { HOME: home } });
    const ended = finished(child);
    await untilWritten(child, /Making weights of the shape qwen2.5-coder-0.5b, 0.28 GB, in /);
    child.kill("SIGINT");
    expect((await ended).exitCode).toBe(130);
    expect(made()).toEqual(before);
  });

  it("says how to download a model that is missing", async () => {
    const { stdout, stderr, exitCode } = await run("--model", "org/absent");
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
    expect(stderr).toBe("Model 'org/absent' is not downloaded.\nDownload it with: punie download-model org/absent\n");
  });

  it("says when prompt and answer don't fit the context", async () => {
    const { stderr, exitCode } = await run("--model", TINY_MODEL, "--context-length", "16", ...SHORT);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/16/);
  });

  it.each([
    ["--batch", "9", "Expected 1 to 8"],
    ["--batch", "0", "Expected an integer above 0."],
    ["--repeat", "0", "Expected an integer above 0."],
    ["--generate-tokens", "1", "a rate needs two tokens"],
    ["--shape", "gpt-5", "Allowed choices are qwen2.5-coder-0.5b"],
    ["--mode", "int4", "Allowed choices are affine, mxfp4, mxfp8, nvfp4."],
    ["--bits", "7", "Allowed choices are 2, 3, 4, 5, 6, 8."],
  ])("refuses %s %s as wrong usage", async (flag, value, message) => {
    const { stdout, stderr, exitCode } = await run(flag, value);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 2 });
    expect(stderr).toContain(message);
  });

  it.each([
    ["mxfp4", "8", "--bits: expected 4 for mxfp4; found 8."],
    ["mxfp8", "4", "--bits: expected 8 for mxfp8; found 4."],
    ["nvfp4", "6", "--bits: expected 4 for nvfp4; found 6."],
  ])("refuses a shape in %s of %s bits before it makes weights", async (mode, bits, message) => {
    const { stderr, exitCode } = await run("--shape", "qwen2.5-coder-0.5b", "--mode", mode, "--bits", bits);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain("Making weights");
  });

  it.each(["--mode=mxfp4", "--bits=4"])("refuses %s of a model, which has its own", async (flag) => {
    const { stderr, exitCode } = await run("--model", TINY_MODEL, flag);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("cannot be used with");
  });

  it("refuses a model and a shape at once", async () => {
    const { stderr, exitCode } = await run("--model", TINY_MODEL, "--shape", "qwen2.5-coder-7b");
    expect(exitCode).toBe(2);
    expect(stderr).toContain("cannot be used with");
  });
});

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
