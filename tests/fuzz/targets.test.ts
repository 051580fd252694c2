/**
 * Readers of untrusted input against damaged inputs: a few hundred of each here, and for as long as one likes with
 * `npm run fuzz`, which sets the environment that this file reads.
 */
import { readdirSync } from "node:fs";
import { basename } from "node:path";
import { expect, test } from "vitest";
import { withTemporaryDirectory } from "../helpers/golden.js";
import { type Budget, type FuzzTarget, type Report, runCases } from "./run-cases.js";

const TARGETS = readdirSync(new URL("targets", import.meta.url)).map((file) => basename(file, ".ts"));
/** Of each target in the default suite: some seconds in all. */
const CASES: Record<string, number> = {
  arguments: 1000,
  config: 500,
  gguf: 200,
  models: 60,
  safetensors: 1000,
  "tool-calls": 2000,
};

const { PUNIE_FUZZ, PUNIE_FUZZ_SECONDS, PUNIE_FUZZ_SEED, PUNIE_FUZZ_CASE } = process.env;

async function fuzz(name: string, budget: Budget): Promise<Report> {
  const { open } = (await import(`./targets/${name}.ts`)) as { open(directory: string): Promise<FuzzTarget> };
  return withTemporaryDirectory(async (directory) => {
    const target = await open(directory);
    try {
      return await runCases(name, target, budget);
    } finally {
      await target.close?.();
    }
  });
}

if (PUNIE_FUZZ === undefined) {
  test.each(TARGETS)("damaged inputs of '%s' are read or refused, and nothing else", async (name) => {
    const report = await fuzz(name, { seed: 1, cases: CASES[name] ?? 100 });
    // Both happen: else the damage is too small or too great to tell anything.
    expect(Object.keys(report.outcomes).length).toBeGreaterThan(1);
  });
} else {
  const seconds = Number(PUNIE_FUZZ_SECONDS);
  test(`${PUNIE_FUZZ} for ${seconds} seconds`, { timeout: (seconds + 120) * 1000 }, async () => {
    const seed = Number(PUNIE_FUZZ_SEED);
    const only = PUNIE_FUZZ_CASE === undefined ? { seconds } : { first: Number(PUNIE_FUZZ_CASE), cases: 1 };
    const report = await fuzz(PUNIE_FUZZ, { seed, ...only });
    const { maxRSS } = process.resourceUsage();
    process.stdout.write(
      `${PUNIE_FUZZ}, seed ${seed}: ${report.cases} cases in ${report.seconds.toFixed(0)} s, the slowest ` +
        `${report.slowestMs.toFixed(0)} ms, peak memory ${Math.round(maxRSS / 1024)} MiB\n${JSON.stringify(report.outcomes)}\n`,
    );
  });
}
