/** Greedy text and log-probabilities against mlx-lm in float32. Goldens: scripts/make-goldens.py. */
import { describe, expect, test } from "vitest";
import { loadModel } from "../../src/index.js";
import {
  compareWithGolden,
  type GoldenRun,
  LOGPROBS,
  readGolden,
  TINY_CODER,
  withTemporaryDirectory,
} from "../helpers/golden.js";
import { type RandomModelSpec, writeRandomModel } from "../helpers/random-model.js";

const { cases } = readGolden<{ cases: (RandomModelSpec & { runs: GoldenRun[] })[] }>("random-models");
const { runs: tinyRuns } = readGolden<{ runs: GoldenRun[] }>("tiny-coder");

/** Small enough that a long prompt takes several. */
const PREFILL_CHUNK = 128;

async function expectSame(directory: string, runs: readonly GoldenRun[]): Promise<void> {
  await using model = await loadModel(directory, { prefillChunk: PREFILL_CHUNK });
  for (const run of runs) {
    const { differences, meanError } = await compareWithGolden(run, async (prompt, maxTokens) => {
      const { tokens } = await model.generate({ prompt, maxTokens, logprobs: LOGPROBS, ignoreEos: true });
      return tokens.map(({ id, top }) => ({ id, top: top ?? [] }));
    });
    expect(differences).toEqual([]);
    expect(meanError).toBeLessThanOrEqual(run.bf16Error);
  }
}

describe("generates the same tokens as mlx-lm, with log-probabilities at least as near as its bf16 run's", () => {
  test.each(cases)("for $name", async ({ runs, ...spec }) => {
    await withTemporaryDirectory(async (directory) => expectSame(await writeRandomModel(spec, directory), runs));
  });

  test("for the tiny model", () => expectSame(TINY_CODER, tinyRuns));
});
