/** AWQ and GPTQ checkpoints, converted, against mlx-lm on weights that numpy dequantized (scripts/make-packed-goldens.py). */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { importPackedCheckpoint } from "../../src/convert/packed/import-packed.js";
import { loadModel } from "../../src/index.js";
import { compareWithGolden, FIXTURES, type GoldenRun, readGolden, withTemporaryDirectory } from "../helpers/golden.js";
import { withNativeModel } from "../helpers/golden-native.js";

const { cases } = readGolden<{ cases: { name: string; run: GoldenRun }[] }>("packed");

/** Rounding inputs to 16 bits costs so much at most; a code or zero point that is off by one, a thousand times more. */
const NEARLY_EXACT = 1e-3;

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
        expect(meanError).toBeLessThanOrEqual(Math.min(NEARLY_EXACT, run.bf16Error));
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
