/** llama-cpp.mjs JOB: runs one job (see work.mjs) through node-llama-cpp, on the CPU; prints one JSON line. */
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { answer, EMPTY_CONTEXT_TOKENS, job, perSecond, promptIds, WARM_UP_TOKENS } from "./work.mjs";

/** What its context holds unless more is needed; its batches are the largest that it makes by itself. */
const CONTEXT_SIZE = 4096;
const BATCH_SIZE = 512;

const { kind, model: file, threads, vocabSize, seed, promptTokens, generateTokens, batch = 1, ...rest } = job();
const { getLlama } = await import(
  pathToFileURL(createRequire(path.join(rest.llama, "x.js")).resolve("node-llama-cpp"))
);
const llama = await getLlama({
  gpu: false,
  build: "never",
  progressLogs: false,
  logLevel: "error",
  maxThreads: threads,
});
const beforeLoad = performance.now();
const model = await llama.loadModel({ modelPath: file });
const context = await model.createContext({
  contextSize: Math.max(CONTEXT_SIZE, promptTokens + 2 * generateTokens),
  batchSize: BATCH_SIZE,
  sequences: batch,
  threads: { ideal: threads, min: threads },
  flashAttention: rest.flashAttention,
});
const loadMs = performance.now() - beforeLoad;
const sequences = Array.from({ length: batch }, () => context.getSequence());
const kinds = { first, decode, prompt, batch: together };
answer({ loadMs, variant: loadedVariant(), ...(await kinds[kind]()) });
// Its own end takes a while, and nothing is measured any more.
process.exit(0);

async function first() {
  const [at] = await generate(ids(promptTokens, 0), 1);
  return { promptTokens, firstTokenMs: at };
}

async function decode() {
  await warmUp();
  const times = await generate(ids(EMPTY_CONTEXT_TOKENS, 1), generateTokens + 1);
  return { generationTokensPerSecond: perSecond(generateTokens, times.at(-1) - times[0]) };
}

async function prompt() {
  await warmUp();
  const start = performance.now();
  await generate(ids(promptTokens, 1), 1);
  return { promptTokensPerSecond: perSecond(promptTokens, performance.now() - start) };
}

/** Of all sequences, from the moment at which all have begun to that at which the first has its tokens. */
async function together() {
  await warmUp();
  const all = await Promise.all(
    sequences.map((sequence, index) => generate(ids(promptTokens, index + 1), generateTokens + 1, sequence)),
  );
  const begin = Math.max(...all.map((times) => times[0]));
  const end = Math.min(...all.map((times) => times.at(-1)));
  const counted = all.flat().filter((time) => time > begin && time <= end).length;
  return { generationTokensPerSecond: perSecond(counted, end - begin) };
}

function warmUp() {
  return generate(ids(EMPTY_CONTEXT_TOKENS, 0), WARM_UP_TOKENS);
}

function ids(count, run) {
  return promptIds(count, vocabSize, seed * (batch + 3) + run);
}

/** When each token came. */
async function generate(prompt, maxTokens, sequence = sequences[0]) {
  await sequence.clearHistory();
  const times = [];
  for await (const _ of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    times.push(performance.now());
    if (times.length === maxTokens) break;
  }
  return times;
}

/** Which of its builds for different processors it took, as far as the system tells. */
function loadedVariant() {
  if (process.platform !== "linux") return "";
  return /libggml-cpu-([\w.]+)\.so/.exec(fs.readFileSync("/proc/self/maps", "utf8"))?.[1] ?? "";
}
