import { once } from "node:events";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FIXTURES, TINY_CODER } from "../helpers/golden.js";
import { punie } from "../helpers/punie-in-process.js";
import { startPunie } from "../helpers/run-punie.js";

const GGUF = join(FIXTURES, "gguf", "llama.gguf");
const K_QUANTS = join(FIXTURES, "gguf", "qwen2.gguf");

let directory: string;
let output: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "punie-convert-"));
  output = join(directory, "out");
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const readJson = async (file: string) => JSON.parse(await readFile(join(output, file), "utf8"));

describe("punie convert", () => {
  it("quantizes an MLX directory anew, and brings what goes with the weights", async () => {
    const { code, stdout } = await punie(
      "convert",
      TINY_CODER,
      "--output",
      output,
      "--bits",
      "8",
      "--group-size",
      "32",
    );
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(
        /^✓ Converted: [\d.]+ MB in 1 file, 9\.\d+ bits per weight\.\nLocation: .*\nUse with: .*\n$/,
      ),
    ]);
    expect((await readdir(output)).sort()).toEqual([
      "README.md",
      "config.json",
      "generation_config.json",
      "model.safetensors",
      "model.safetensors.index.json",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
    const quantization = { group_size: 32, bits: 8, mode: "affine" };
    expect(await readJson("config.json")).toMatchObject({ quantization, quantization_config: quantization });
    const asked = await punie("generate", "--model", output, "--prompt", "Write a Python function that adds a and b.");
    expect(asked.stdout).toContain("def ");
  });

  it("writes a card that says base, commit and bits per weight", async () => {
    const commit = "0123456789012345678901234567890123456789";
    const snapshot = join(directory, "models--org--tiny", "snapshots", commit);
    await cp(TINY_CODER, snapshot, { recursive: true });
    await writeFile(join(snapshot, "README.md"), "---\nlicense: apache-2.0\ntags:\n- x\n---\n# Tiny\n");
    await punie("convert", snapshot, "--output", output, "--mixed", "mixed_4_6");
    const card = await readFile(join(output, "README.md"), "utf8");
    expect(card).toMatch(/^---\n[\s\S]*license: apache-2.0\nbase_model: org\/tiny\n[\s\S]*\n---\n/);
    expect(card).toContain("- Base: [org/tiny]");
    expect(card).toContain(`- Commit: ${commit}\n`);
    expect(card).toMatch(/- Weights: mixed_4_6: affine, 4 and 6 bits, in groups of 64\n- Bits per weight: \d\.\d{3}\n/);
  });

  it("carries a GGUF file over, and tells as JSON what that came to", async () => {
    const { code, stdout } = await punie("convert", GGUF, "--output", output, "--json");
    const result = JSON.parse(stdout);
    expect([code, result]).toEqual([
      0,
      {
        path: output,
        modelType: "llama",
        quantization: { mode: "affine", bits: 4, groupSize: 32 },
        shards: 1,
        bytes: expect.any(Number),
        parameters: expect.any(Number),
        bitsPerWeight: expect.any(Number),
        losses: [],
      },
    ]);
  });

  it("says what K types of a GGUF file lost", async () => {
    const { stdout } = await punie("convert", K_QUANTS, "--output", output);
    expect(stdout).toMatch(
      /\n {2}Q4_K \(\d tensors\) became 4-bit groups of 32; values changed by 0\.0\d+ % \(RMS\)\n/,
    );
    expect(stdout).toMatch(/\n {2}Q6_K \(\d tensors\) became 8-bit groups of 32; values changed by 0\.\d+ % \(RMS\)\n/);
    expect(await readFile(join(output, "README.md"), "utf8")).toContain("- Q4_K (");
  });

  it.each<[string, string[], number, string]>([
    ["an output that is there", [GGUF, "--output", "."], 2, "exists already"],
    ["a source that isn't there", ["./absent", "--output", "out"], 1, "./absent"],
    [
      "a width that the mode hasn't",
      [GGUF, "-o", "out", "--mode", "mxfp4", "--bits", "8"],
      2,
      "--bits: expected 4 for mxfp4",
    ],
    [
      "a recipe for another mode",
      [GGUF, "-o", "out", "--mode", "nvfp4", "--mixed", "mixed_4_6"],
      2,
      "--mixed: expected used with",
    ],
    ["an unknown mode", [GGUF, "-o", "out", "--mode", "q4"], 2, "Allowed choices are affine"],
    ["no output", [GGUF], 2, "--output"],
  ])("refuses %s", async (_, args, expectedCode, message) => {
    const here = process.cwd();
    process.chdir(directory);
    try {
      const { code, stdout, stderr } = await punie("convert", ...args);
      expect([code, stdout]).toEqual([expectedCode, ""]);
      expect(stderr).toContain(message);
      expect(await readdir(directory)).toEqual([]);
    } finally {
      process.chdir(here);
    }
  });

  it("leaves nothing of a conversion that Ctrl-C stops, and clears up after one that was killed", async () => {
    const { SHAPES } = await import("../../src/bench/shapes.js");
    const { makeShapeModel } = await import("../../src/bench/shape-model.js");
    const shape = await makeShapeModel(SHAPES["qwen2.5-coder-0.5b"], { onStart: () => undefined });
    try {
      const run = () => startPunie(["convert", shape.path, "--output", output, "--mode", "nvfp4"]);
      const partial = async () => (await readdir(directory)).filter((name) => name.startsWith(".out.partial-"));
      const untilBegun = async () => {
        while ((await partial()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      };
      const killed = run();
      await untilBegun();
      killed.kill("SIGKILL");
      await once(killed, "close");
      const [left] = await partial();
      expect(await readdir(join(directory, left as string))).not.toContain("config.json");
      const stopped = run();
      while ((await partial())[0] === left) await new Promise((resolve) => setTimeout(resolve, 20));
      stopped.kill("SIGINT");
      const [code] = await once(stopped, "close");
      expect(code).toBe(130);
      expect(await readdir(directory)).toEqual([]);
    } finally {
      await shape.remove();
    }
  });
});
