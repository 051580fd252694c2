/** Models in the modes of small floats, and mixed ones, by the kernels and by MLX's own operations. */
import { describe, expect, test } from "vitest";
import { compareWithGolden, type GoldenRun, readGolden, withTemporaryDirectory } from "../helpers/golden.js";
import { withNativeModel } from "../helpers/golden-native.js";
import { type RandomModelSpec, writeRandomModel } from "../helpers/random-model.js";

const { cases } = readGolden<{ cases: (RandomModelSpec & { runs: GoldenRun[] })[] }>("quantization");

describe.each([
  ["with the kernels", false],
  ["with MLX's own operations", true],
])("%s, generates the same tokens as mlx-lm", (_how, stockOps) => {
  test.each(cases)("for $name", async ({ runs, ...spec }) => {
    await withTemporaryDirectory(async (directory) => {
      await withNativeModel(await writeRandomModel(spec, directory), { stockOps }, async (generate) => {
        for (const run of runs) {
          const { differences, meanError } = await compareWithGolden(run, generate);
          expect(differences).toEqual([]);
          expect(meanError).toBeLessThanOrEqual(run.bf16Error);
        }
      });
    });
  });
});
