/** AWQ and GPTQ checkpoints, converted, against mlx-lm on weights that numpy dequantized (scripts/make-packed-goldens.py). */
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { convertModel } from "../../src/convert/convert-model.js";
import { importPackedCheckpoint } from "../../src/convert/packed/import-packed.js";
import { loadModel } from "../../src/index.js";
import { loadBinding } from "../../src/native/binding.js";
import { compareWithGolden, FIXTURES, type GoldenRun, readGolden, withTemporaryDirectory } from "../helpers/golden.js";
import { withNativeModel } from "../helpers/golden-native.js";

const { cases } = readGolden<{ cases: { name: string; run: GoldenRun }[] }>("packed");

/** In float32 throughout nothing but the order of sums differs: that the conversion is lossless. */
const NEARLY_EXACT = 5e-5;
/** The kernels round inputs to 16 bits, which is so many times finer than bfloat16 in these models, at least. */
const FINER = 100;

describe.each([
  ["with the kernels", false],
  ["with MLX's own operations", true],
])("%s, a converted checkpoint generates the same tokens as its dequantized weights", (_how, stockOps) => {
  test.each(cases)("$name", async ({ name, run }) => {
    await withTemporaryDirectory(async (directory) => {
      const { method, modules } = await importPackedCheckpoint(join(FIXTURES, "packed", name), directory);
      expect({ method, modules }).toEqual({ method: name.split("-")[0], modules: 7 });
      await withNativeModel(directory, { stockOps }, async (generate) => {
        const { differences, meanError } = await compareWithGolden(run, generate);
        expect(differences).toEqual([]);
        expect(meanError).toBeLessThanOrEqual(stockOps ? NEARLY_EXACT : run.bf16Error / FINER);
      });
    });
  });
});

test("a checkpoint that is not converted is refused, with the command that converts it", async () => {
  for (const { name } of cases) {
    const path = join(FIXTURES, "packed", name);
    await expect(loadModel(path)).rejects.toMatchObject({
      code: "MODEL_UNSUPPORTED",
      message: expect.stringContaining(`punie convert ${path} --output`),
    });
  }
});

test("punie convert makes a model directory of it, with the tokenizer and a card, and takes no other quantization", async () => {
  await withTemporaryDirectory(async (parent) => {
    const [source, output] = [join(parent, "source"), join(parent, "output")];
    await cp(join(FIXTURES, "packed", "gptq-act-order"), source, { recursive: true });
    await writeFile(join(source, "tokenizer.json"), "{}");
    await expect(convertModel(loadBinding(), source, output, { bits: 8 })).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringMatching(/bits.*8/),
    });
    expect(await readdir(parent)).toEqual(["source"]);
    const result = await convertModel(loadBinding(), source, output);
    const files = ["README.md", "config.json", "model.safetensors", "tokenizer.json"];
    expect((await readdir(output)).sort()).toEqual(files);
    expect(result).toMatchObject({ path: output, modelType: "llama", shards: 1, parameters: 92_448 });
    expect(result.quantization).toEqual({ mode: "affine", bits: 4, groupSize: 32 });
    // Float16 embeddings, and 4 bits with two float32 numbers for every 32.
    expect(result.bitsPerWeight).toBeGreaterThan(6);
    expect(await readFile(join(output, "README.md"), "utf8")).toContain("4-bit GPTQ");
  });
});
