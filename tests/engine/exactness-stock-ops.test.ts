/** The same models on MLX's own operations, which is what runs on Metal: here on a CPU stream. */
import { describe, expect, test } from "vitest";
import {
  compareWithGolden,
  type GoldenRun,
  readGolden,
  TINY_CODER,
  withTemporaryDirectory,
} from "../helpers/golden.js";
import { withNativeModel } from "../helpers/golden-native.js";
import { type RandomModelSpec, writeRandomModel } from "../helpers/random-model.js";

const { cases } = readGolden<{ cases: (RandomModelSpec & { runs: GoldenRun[] })[] }>("random-models");
const { runs: tinyRuns } = readGolden<{ runs: GoldenRun[] }>("tiny-coder");

async function expectSame(directory: string, runs: readonly GoldenRun[]): Promise<void> {
  await withNativeModel(directory, { stockOps: true }, async (generate) => {
    for (const run of runs) {
      const { differences, meanError } = await compareWithGolden(run, generate);
      expect(differences).toEqual([]);
      expect(meanError).toBeLessThanOrEqual(run.bf16Error);
    }
  });
}

describe("with MLX's own operations, generates the same tokens as mlx-lm", () => {
  test.each(cases)("for $name", async ({ runs, ...spec }) => {
    await withTemporaryDirectory(async (directory) => expectSame(await writeRandomModel(spec, directory), runs));
  });

  // MLX's quantized product takes seconds for the long prompt: the short one is enough here.
  test("for the tiny model", () => expectSame(TINY_CODER, tinyRuns.slice(0, 1)));
});
