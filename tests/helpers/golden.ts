/** Reads goldens of mlx-lm, and holds a model to a greedy run of them. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const FIXTURES = fileURLToPath(new URL("../fixtures/", import.meta.url));
export const TINY_CODER = join(FIXTURES, "tiny-coder-4bit");

/** Greedy steps of mlx-lm in float32, on one prompt. */
export interface GoldenRun {
  prompt: number[];
  /** Per step the best ids, best first: the first is the one chosen. */
  ids: number[][];
  /** Their log-probabilities. */
  logprobs: number[][];
  /** Mean |error| of the log-probabilities of mlx-lm's own bfloat16 run on the same tokens. */
  bf16Error: number;
}

/** A generated token with its position's best. */
export interface ScoredToken {
  id: number;
  top: { id: number; logprob: number }[];
}

export type Generate = (prompt: number[], count: number) => Promise<ScoredToken[]>;

/** Two best ids closer than this, in log-probability, may be chosen either way. */
export const CLEAR_LEAD = 0.02;
/** Best ids to ask for: more than a golden has, since the last of them may be in another order. */
export const LOGPROBS = 16;

export function readGolden<T>(name: string): T {
  return JSON.parse(readFileSync(join(FIXTURES, "goldens", `${name}.golden.json`), "utf8")) as T;
}

/** A directory for `use` alone, removed afterwards. */
export async function withTemporaryDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "punie-test-"));
  try {
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * Follows the golden's tokens. Where its two best are nearly equal and ours is the other one, goes on from its own.
 *
 * @returns What differs though the golden is clear, and the mean |error| over all best ids of all steps.
 */
export async function compareWithGolden(
  run: GoldenRun,
  generate: Generate,
): Promise<{ differences: string[]; meanError: number }> {
  const differences: string[] = [];
  const errors: number[] = [];
  const chosen = run.ids.map((ids) => ids[0] as number);
  let step = 0;
  while (step < chosen.length) {
    const tokens = await generate([...run.prompt, ...chosen.slice(0, step)], chosen.length - step);
    if (tokens.length === 0) throw new Error(`no token at step ${step}`);
    for (const token of tokens) {
      const logprobs = run.logprobs[step] as number[];
      errors.push(...errorsOf(token, run.ids[step] as number[], logprobs));
      const same = token.id === chosen[step];
      const lead = (logprobs[0] as number) - (logprobs[1] as number);
      if (!same && lead > CLEAR_LEAD) {
        differences.push(`step ${step}: ${token.id} instead of ${chosen[step]}, which leads by ${lead.toFixed(5)}`);
      }
      step++;
      if (!same) break;
    }
  }
  return { differences, meanError: errors.reduce((sum, error) => sum + error, 0) / errors.length };
}

/** An id that is not even among the best we asked for counts as wholly wrong. */
function errorsOf(token: ScoredToken, ids: number[], logprobs: number[]): number[] {
  const ours = new Map(token.top.map((top) => [top.id, top.logprob]));
  return ids.map((id, i) => Math.abs((ours.get(id) ?? Number.NEGATIVE_INFINITY) - (logprobs[i] as number)));
}
