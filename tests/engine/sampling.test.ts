/** How tokens are drawn: filters, processors, seeds. Goldens of mlx-lm's own functions: scripts/make-goldens.py. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadModel, type Model } from "../../src/index.js";
import { CLEAR_LEAD, readGolden } from "../helpers/golden.js";
import { type RandomModelSpec, writeRandomModel } from "../helpers/random-model.js";

interface FilterOptions {
  topP?: number;
  minP?: number;
  topK?: number;
}

interface ProcessorOptions {
  repetitionPenalty?: number;
  repetitionContext?: number;
  presencePenalty?: number;
  frequencyPenalty?: number;
  logitBias?: [id: number, value: number][];
}

const golden = readGolden<{
  model: RandomModelSpec;
  prompt: number[];
  /** Of every id, after the prompt. */
  logprobs: number[];
  filters: { options: FilterOptions; ids: number[] }[];
  /** `leads`: how far the best processed logit is above the second. */
  processors: { options: ProcessorOptions; tokens: number[]; leads: number[] }[];
}>("sampling");
const { prompt } = golden;

let directory: string;
let model: Model;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "punie-sampling-"));
  model = await loadModel(await writeRandomModel(golden.model, directory));
});

afterAll(async () => {
  await model.dispose();
  await rm(directory, { recursive: true });
});

type Request = Omit<Parameters<Model["generate"]>[0] & { prompt: readonly number[] }, "prompt" | "messages" | "tools">;

async function ids(request: Request): Promise<number[]> {
  return (await model.generate({ prompt, ignoreEos: true, ...request })).tokens.map((token) => token.id);
}

/** The first token under each of `count` seeds. */
async function draws(count: number, options: Request): Promise<number[]> {
  const drawn: number[] = [];
  for (let seed = 0; seed < count; seed++) drawn.push(...(await ids({ ...options, seed, maxTokens: 1 })));
  return drawn;
}

/** Of every id after the prompt, with logits divided by `temperature`. */
function probabilities(temperature: number): number[] {
  const weights = golden.logprobs.map((logprob) => Math.exp(logprob / temperature));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

describe("filters leave what mlx-lm's leave, before temperature", () => {
  test.each(golden.filters)("$options", async ({ options, ids: allowed }) => {
    // A high temperature draws evenly: an id that ought to be gone would show.
    const temperature = 3;
    const count = 300;
    const drawn = await draws(count, { ...options, temperature });
    expect(drawn.filter((id) => !allowed.includes(id))).toEqual([]);
    const p = probabilities(temperature);
    const kept = allowed.reduce((sum, id) => sum + (p[id] as number), 0);
    // Chance to miss one of these: below 1e-6.
    const expected = allowed.filter((id) => (p[id] as number) / kept > 0.05);
    expect(expected.filter((id) => !drawn.includes(id))).toEqual([]);
  });
});

describe("draws by the model's distribution", () => {
  test.each([0.5, 1, 2])("at temperature %s", async (temperature) => {
    const count = 1500;
    const drawn = await draws(count, { temperature });
    // Pearson's chi-square; rare ids share one cell, so that no cell expects fewer than 5.
    const cells = new Map<number, { expected: number; observed: number }>();
    const RARE = -1;
    const cellOf = probabilities(temperature).map((p, id) => (p * count >= 5 ? id : RARE));
    for (const [id, p] of probabilities(temperature).entries()) {
      const key = cellOf[id] as number;
      const cell = cells.get(key) ?? { expected: 0, observed: 0 };
      cells.set(key, { ...cell, expected: cell.expected + p * count });
    }
    for (const id of drawn) {
      const cell = cells.get(cellOf[id] as number);
      if (cell) cell.observed++;
    }
    let chiSquare = 0;
    for (const { expected, observed } of cells.values()) chiSquare += (observed - expected) ** 2 / expected;
    const freedom = cells.size - 1;
    expect(freedom).toBeGreaterThan(10);
    // Mean and standard deviation of the distribution are `freedom` and sqrt(2 × freedom).
    expect(chiSquare).toBeLessThan(freedom + 5 * Math.sqrt(2 * freedom));
    expect(chiSquare).toBeGreaterThan(freedom - 5 * Math.sqrt(2 * freedom));
  });

  test("anew at each position", async () => {
    const logitBias = { 3: 1000, 4: 1000 };
    const drawn = await ids({ temperature: 50, seed: 1, logitBias, maxTokens: 64 });
    // At this temperature both are about as likely; 64 equal ones would have a chance of 1e-19.
    expect(new Set(drawn)).toEqual(new Set([3, 4]));
  });
});

describe("penalties and logit bias choose as mlx-lm's processors do", () => {
  test.each(golden.processors)("$options", async ({ options, tokens, leads }) => {
    const { logitBias = [], ...penalties } = options;
    const bias = { logitBias: Object.fromEntries(logitBias) };
    const differences: string[] = [];
    let step = 0;
    while (step < tokens.length) {
      const request = { ...penalties, ...bias, maxTokens: tokens.length - step, ignoreEos: true };
      const { tokens: ours } = await model.generate({ prompt: [...prompt, ...tokens.slice(0, step)], ...request });
      for (const { id } of ours) {
        const same = id === tokens[step];
        const lead = leads[step] as number;
        if (!same && lead > CLEAR_LEAD) differences.push(`step ${step}: ${id} for ${tokens[step]}, lead ${lead}`);
        step++;
        if (!same) break;
      }
    }
    expect(differences).toEqual([]);
  });

  test("without touching the log-probabilities that are told", async () => {
    const plain = await model.generate({ prompt, maxTokens: 1, logprobs: 8 });
    const logitBias = { 3: 100 };
    const changed = await model.generate({ prompt, maxTokens: 1, logprobs: 8, repetitionPenalty: 1.7, logitBias });
    expect(changed.tokens[0]?.top).toEqual(plain.tokens[0]?.top);
    expect(changed.tokens[0]?.id).toBe(3);
    expect(changed.tokens[0]?.logprob).toBeCloseTo(golden.logprobs[3] as number, 3);
  });
});

describe("a seed", () => {
  const options = { temperature: 1, maxTokens: 24 };

  test("gives the same text each time", async () => {
    expect(await ids({ ...options, seed: 42 })).toEqual(await ids({ ...options, seed: 42 }));
  });

  test("gives another text than another seed", async () => {
    const texts = await Promise.all([0, 1, 2 ** 32, 2 ** 53 - 1].map((seed) => ids({ ...options, seed })));
    expect(new Set(texts.map(String)).size).toBe(texts.length);
  });

  test("is a new one each time when it is not given", async () => {
    expect(await ids(options)).not.toEqual(await ids(options));
  });

  test("gives the same text alone and beside other requests", async () => {
    const alone = await ids({ ...options, seed: 7 });
    const [together] = await Promise.all([7, 8, 9, 10].map((seed) => ids({ ...options, seed })));
    const [, , , last] = await Promise.all([9, 8, 10, 7].map((seed) => ids({ ...options, seed })));
    expect(together).toEqual(alone);
    expect(last).toEqual(alone);
  });

  test("has no part in log-probabilities, which are the same alone and beside others, bit for bit", async () => {
    const score = (rest: number[]) => model.generate({ prompt: [...rest, ...prompt], maxTokens: 16, logprobs: 4 });
    const prompts = [[], [1], [2, 3, 4, 5], Array.from({ length: 90 }, (_, i) => i)];
    const alone = [];
    for (const rest of prompts) alone.push((await score(rest)).tokens);
    const together = (await Promise.all(prompts.map(score))).map((result) => result.tokens);
    expect(together).toEqual(alone);
  });

  test("gives what follows in a text the same noise wherever the prompt ends", async () => {
    const whole = await ids({ ...options, seed: 5 });
    const begun = whole.slice(0, 10);
    const { tokens } = await model.generate({ prompt: [...prompt, ...begun], ...options, maxTokens: 14, seed: 5 });
    expect([...begun, ...tokens.map((token) => token.id)]).toEqual(whole);
  });

  test("does not matter to greedy text", async () => {
    expect(await ids({ maxTokens: 16, seed: 1 })).toEqual(await ids({ maxTokens: 16, seed: 2 }));
  });
});

describe("end tokens", () => {
  const stops = async (eos: unknown, generationEos?: unknown) => {
    const config = JSON.parse(await readFile(join(directory, "config.json"), "utf8"));
    await writeFile(join(directory, "config.json"), JSON.stringify({ ...config, eos_token_id: eos }));
    const generation = join(directory, "generation_config.json");
    if (generationEos !== undefined) await writeFile(generation, JSON.stringify({ eos_token_id: generationEos }));
    try {
      await using own = await loadModel(directory);
      const ended = await own.generate({ prompt, maxTokens: 24 });
      const ignored = await own.generate({ prompt, maxTokens: 24, ignoreEos: true });
      return { ended, ignored };
    } finally {
      await writeFile(join(directory, "config.json"), JSON.stringify(config));
      await rm(generation, { force: true });
    }
  };

  test("of config.json and generation_config.json end the answer and are not part of it", async () => {
    const greedy = await ids({ maxTokens: 24 });
    const [first, second] = [...new Set(greedy)].slice(2) as [number, number];
    for (const [eos, generationEos] of [
      [first, undefined],
      [[319, first], undefined],
      [second, first],
      [319, [second, first]],
    ]) {
      const { ended, ignored } = await stops(eos, generationEos);
      expect(ended.tokens.map((token) => token.id)).toEqual(greedy.slice(0, greedy.indexOf(first)));
      expect(ended.finishReason).toBe("stop");
      expect(ended.usage.completionTokens).toBe(greedy.indexOf(first));
      expect(ignored.tokens.map((token) => token.id)).toEqual(greedy);
      expect(ignored.finishReason).toBe("length");
    }
  });
});
