import { expect, it } from "vitest";
import { runCases } from "../fuzz/run-cases.js";
import { open } from "../fuzz/targets/models.js";
import { withTemporaryDirectory } from "../helpers/golden.js";

const CASES = 10_000;

it("ten thousand damaged model directories load or are refused, with no crash and no hang", async () => {
  const seed = Number(process.env.PUNIE_FUZZ_SEED ?? Date.now() % 2 ** 31);
  await withTemporaryDirectory(async (directory) => {
    const { cases, seconds, slowestMs, outcomes } = await runCases("models", await open(directory), {
      seed,
      cases: CASES,
    });
    const line = `seed ${seed}: ${cases} directories in ${seconds.toFixed(0)} s, the slowest ${slowestMs.toFixed(0)} ms`;
    process.stdout.write(`${line}\n${JSON.stringify(outcomes)}\n`);
    expect(cases).toBe(CASES);
  });
});
