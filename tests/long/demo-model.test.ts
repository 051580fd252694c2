/** The demo model as `npm start` brings it (93 MB from the package registry) against mlx-lm and `tokenizers`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { demoModel } from "../../scripts/demo/demo-model.mjs";
import { loadModel, type Model } from "../../src/index.js";
import { compareWithGolden, FIXTURES, type GoldenRun, LOGPROBS } from "../helpers/golden.js";

interface Golden {
  runs: (GoldenRun & { question: string; text: string })[];
  texts: { text: string; ids: number[] }[];
  passage: { file: string; tokens: number; meanLogprob: number };
}

const golden: Golden = JSON.parse(readFileSync(join(FIXTURES, "gguf", "smollm2.golden.json"), "utf8"));

const DOWNLOAD_MS = 10 * 60_000;

let model: Model;
beforeAll(async () => {
  const { name, path } = await demoModel({ signal: new AbortController().signal, say: () => {} });
  expect(name).toBe("SmolLM2-135M-Instruct");
  model = await loadModel(path);
}, DOWNLOAD_MS);
afterAll(() => model?.dispose());

test.each(golden.runs)("answers like mlx-lm in float32: $question", async (run) => {
  const { differences, meanError } = await compareWithGolden(run, async (prompt, maxTokens) => {
    const { tokens } = await model.generate({ prompt, maxTokens, logprobs: LOGPROBS, ignoreEos: true });
    return tokens.map(({ id, top }) => ({ id, top: top ?? [] }));
  });
  expect(differences).toEqual([]);
  expect(meanError).toBeLessThanOrEqual(run.bf16Error);
});

test.each(golden.runs)("makes the same prompt of the chat template: $question", async ({ question, prompt }) => {
  const text = await model.applyChatTemplate([{ role: "user", content: question }]);
  expect(await model.tokenize(text)).toEqual(prompt);
});

test.each(golden.texts)("has the ids of the Python library for $text", async ({ text, ids }) => {
  expect(await model.tokenize(text)).toEqual(ids);
  expect(await model.detokenize(ids)).toBe(text);
});

test("foretells a text as well as mlx-lm in float32 does, within a thousandth", async () => {
  const { file, tokens, meanLogprob } = golden.passage;
  const text = readFileSync(join(FIXTURES, "..", "..", file), "utf8");
  const result = await model.perplexity(text, { sequenceLength: tokens, maxSequences: 1 });
  expect(result.scoredTokens).toBe(tokens - 1);
  console.log(`mean log-probability ${-result.negativeLogLikelihood}, mlx-lm's ${meanLogprob}`);
  expect(Math.abs(-result.negativeLogLikelihood / meanLogprob - 1)).toBeLessThan(0.001);
});
