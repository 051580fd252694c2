/** punie.mjs JOB: runs one job (see work.mjs) through the public API, on the CPU; prints one JSON line. */
import { answer, EMPTY_CONTEXT_TOKENS, job, perSecond, promptIds, WARM_UP_TOKENS } from "./work.mjs";

const { kind, model: path, threads, vocabSize, seed, promptTokens, generateTokens, text } = job();
const { loadModel } = await import("../../../dist/index.js");
const beforeLoad = performance.now();
const model = await loadModel(path, { threads, device: "cpu" });
const loadMs = performance.now() - beforeLoad;
const kinds = { first, decode, prompt, context, growth };
const result = await kinds[kind]();
answer({ loadMs, cacheBytes: model.memory().cacheBytes, ...result });
await model.dispose();

/** From the process's own start, imports and load included, to the first token in the caller's hands. */
async function first() {
  const { usage } = await generate(model.info.hasTokenizer ? text : ids(promptTokens, 0), 1);
  return { promptTokens: usage.promptTokens, firstTokenMs: performance.now() };
}

async function decode() {
  await warmUp();
  const { timings } = await generate(ids(EMPTY_CONTEXT_TOKENS, 1), generateTokens + 1);
  const { loadBinding } = await import("../../../dist/native/binding.js");
  const bandwidth = await loadBinding().measureMemoryBandwidth(threads);
  return { generationTokensPerSecond: timings.generationTokensPerSecond, bandwidth };
}

async function prompt() {
  await warmUp();
  const start = performance.now();
  await generate(ids(promptTokens, 1), 1);
  return { promptTokensPerSecond: perSecond(promptTokens, performance.now() - start) };
}

/** Generation at the end of a long prompt, and after next to none. */
async function context() {
  await warmUp();
  const empty = await generate(ids(EMPTY_CONTEXT_TOKENS, 1), generateTokens + 1);
  const full = await generate(ids(promptTokens, 2), generateTokens + 1);
  return {
    emptyTokensPerSecond: empty.timings.generationTokensPerSecond,
    fullTokensPerSecond: full.timings.generationTokensPerSecond,
    promptTokensPerSecond: full.timings.promptTokensPerSecond,
  };
}

/** When how much of one long prompt was read. */
async function growth() {
  await warmUp();
  const start = performance.now();
  const progress = [];
  const onPromptProgress = ({ processed }) => progress.push([processed, performance.now() - start]);
  await model.generate({ prompt: ids(promptTokens, 1), maxTokens: 1, ignoreEos: true, onPromptProgress });
  return { progress };
}

function warmUp() {
  return generate(ids(EMPTY_CONTEXT_TOKENS, 0), WARM_UP_TOKENS);
}

function ids(count, run) {
  return promptIds(count, vocabSize, seed * 4 + run);
}

function generate(prompt, maxTokens) {
  return model.generate({ prompt, maxTokens, ignoreEos: true });
}
