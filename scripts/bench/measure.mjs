/** The rounds: each side's measurements in turn, because machines are shared and drift. */
import { warm } from "./models.mjs";

/** The peer and its settings that are tried once, before the rounds; its best counts. */
const PEER = "node-llama-cpp";
const PROMPT_OF_FIRST_TOKEN = 128;
/** What mlx-lm is asked for where it makes a token in seconds, and where it makes several in one. */
const MLX_LM_SLOW = { promptTokens: 4, generateTokens: 2 };
const MLX_LM_FAST = { promptTokens: 16, generateTokens: 8 };
const BATCH_PROMPT_TOKENS = 32;
const CONTEXT_GENERATE_TOKENS = 16;

/** Each twice: a single run on a shared machine may be the slower one by chance. */
const FLASH_ATTENTION_TRIES = [true, false, true, false];

/** 128 words that are one token each, for Qwen2.5 and most others. */
const WORDS = "the of and to in is that for it as was with be by on not".split(" ");
const TEXT = Array.from({ length: PROMPT_OF_FIRST_TOKEN }, (_, index) => WORDS[index % WORDS.length]).join(" ");

/**
 * @param {object} bench
 * @param {import("./models.mjs").BenchModel[]} bench.models
 * @param {ReturnType<typeof import("./options.mjs").parseOptions>} bench.options
 * @param {ReturnType<typeof import("./run-job.mjs").jobRunner>} bench.run
 * @param {number} bench.threads
 * @param {{ directory?: string }} bench.llama
 * @param {{ python?: string }} bench.python
 * @param {string} [bench.bandwidth] The program.
 * @param {(line: string) => void} bench.say
 * @param {AbortSignal} bench.signal Ends it after the measurement that is running, with what there is by then.
 */
export async function measure(bench) {
  const samples = new Samples(bench.signal);
  const peer = { flashAttention: {}, variant: undefined };
  try {
    await measureAll(bench, samples, peer);
  } catch (error) {
    if (!bench.signal.aborted) throw error;
    samples.failures.add("all that comes after the interruption");
  }
  return { samples: samples.values, growth: samples.growth, failures: [...samples.failures], peer };
}

async function measureAll(bench, samples, peer) {
  const tryPeer = await flashAttentionToTry(bench, samples, peer);
  for (let round = 0; round < bench.options.rounds; round++) {
    for (const model of bench.models) {
      bench.say(`round ${round + 1} of ${bench.options.rounds}: ${model.name}`);
      await warm(model);
      await measureRound({ ...bench, model, round, samples, peer: tryPeer });
    }
  }
  await measureOnce({ ...bench, samples });
}

class Samples {
  /** By model, side and figure. */
  values = {};
  growth = {};
  failures = new Set();

  constructor(signal) {
    this.signal = signal;
  }

  add(model, side, figures) {
    this.values[model.name] ??= {};
    this.values[model.name][side] ??= {};
    const all = this.values[model.name][side];
    for (const [name, value] of Object.entries(figures)) {
      if (typeof value !== "number") continue;
      all[name] ??= [];
      all[name].push(value);
    }
  }
}

/** Which jobs the wanted measures take. */
function jobKinds(only) {
  const wanted = (...names) => names.some((name) => only.includes(name));
  return [
    ...(wanted("load", "first-token") ? ["first"] : []),
    ...(wanted("decode") ? ["decode"] : []),
    ...(wanted("prompt", "memory") ? ["prompt"] : []),
  ];
}

function jobOf({ kind, model, threads, options, seed }) {
  const promptTokens = { first: PROMPT_OF_FIRST_TOKEN, batch: BATCH_PROMPT_TOKENS }[kind] ?? options.promptTokens;
  const { generateTokens } = options;
  return {
    kind,
    model: model.mlx,
    threads,
    vocabSize: model.vocabSize,
    seed,
    promptTokens,
    generateTokens,
    text: TEXT,
  };
}

/** Runs the peer with flash attention and without, once, on the first model; keeps what was faster for each job. */
async function flashAttentionToTry(bench, samples, peer) {
  const { models, options, llama } = bench;
  const model = models[0];
  const run = async (job) => {
    const result = await bench.run.llama({ ...job, llama: llama.directory });
    peer.variant = result.variant;
    return result;
  };
  const usable = llama.directory !== undefined && model.gguf !== undefined;
  const kinds = jobKinds(options.only).filter((kind) => usable && kind !== "first");
  for (const kind of kinds) {
    const key = kind === "decode" ? "generationTokensPerSecond" : "promptTokensPerSecond";
    const rates = [];
    for (const flashAttention of FLASH_ATTENTION_TRIES) {
      bench.say(`trying ${PEER}, ${kind}, flash attention ${flashAttention ? "on" : "off"}`);
      await attempt(samples, PEER, async () => {
        const job = { ...jobOf({ ...bench, kind, model, seed: 90 }), model: model.gguf, flashAttention };
        rates.push({ flashAttention, rate: (await run(job))[key] });
      });
    }
    const best = rates.toSorted((a, b) => b.rate - a.rate)[0];
    if (best) peer.flashAttention[kind] = best.flashAttention;
  }
  peer.flashAttention.first = peer.flashAttention.prompt ?? false;
  peer.flashAttention.batch = peer.flashAttention.decode ?? false;
  return async (job, gguf) => run({ ...job, model: gguf, flashAttention: peer.flashAttention[job.kind] ?? false });
}

async function measureRound(round) {
  const { model, samples, options } = round;
  const seed = round.round + 1;
  for (const kind of jobKinds(options.only)) {
    await inTurn(round, [() => punieJob(round, kind, seed), () => peerJob(round, kind, seed)]);
    if (kind !== "decode") continue;
    if (round.bandwidth) samples.add(model, "memory", await round.run.bandwidth(round.bandwidth, round.threads));
    await mlxLm(round, seed);
  }
  if (options.only.includes("batch") && model === middleModel(round.models)) await batch(round, seed);
}

/** The order changes from round to round: neither always runs on what the other has left. */
async function inTurn({ round, signal }, tasks) {
  for (const task of round % 2 === 0 ? tasks : tasks.toReversed()) {
    signal.throwIfAborted();
    await task();
  }
}

async function punieJob({ model, samples, ...round }, kind, seed) {
  const result = await round.run.punie(jobOf({ ...round, model, kind, seed }));
  samples.add(model, "punie", prefixed(kind, result));
  // It is given text, and the peer as many ids.
  if (model.gguf && kind === "first" && result.promptTokens !== PROMPT_OF_FIRST_TOKEN)
    samples.failures.add(
      `a fair first token: ${model.name}'s tokenizer made ${result.promptTokens} tokens of a text of ${PROMPT_OF_FIRST_TOKEN}.`,
    );
}

async function peerJob(round, kind, seed) {
  const { model, samples, llama, options } = round;
  if (!llama.directory || !model.gguf) return;
  await attempt(samples, PEER, async () => {
    const job = { ...jobOf({ ...round, kind, seed }), ...(kind === "batch" && { batch: options.batch }) };
    samples.add(model, PEER, prefixed(kind, await round.peer({ ...job, llama: llama.directory }, model.gguf)));
  });
}

/** Of mlx-lm's prompt and answer. */
export function mlxLmTokens(options) {
  return isSlow(options) ? MLX_LM_SLOW : MLX_LM_FAST;
}

function isSlow(options) {
  return options.model === undefined;
}

/** With made-up weights of a shape it takes minutes: the smallest, once. */
async function mlxLm(round, seed) {
  const { model, models, samples, python, options } = round;
  const slow = isSlow(options);
  if (!python.python || (slow && (round.round > 0 || model !== models[0]))) return;
  await attempt(samples, "mlx-lm", async () => {
    const job = { ...jobOf({ ...round, kind: "decode", seed }), ...mlxLmTokens(options) };
    samples.add(model, "mlx-lm", await round.run.mlxLm(python.python, job));
  });
}

async function batch(round, seed) {
  const { model, samples, options, threads } = round;
  const one = async (size) => {
    const args = [
      "--model",
      model.mlx,
      "--device",
      "cpu",
      "--threads",
      threads,
      "--batch",
      size,
      "--repeat",
      1,
      "--json",
    ];
    args.push("--prompt-tokens", BATCH_PROMPT_TOKENS, "--generate-tokens", options.generateTokens);
    return (await round.run.punieBenchmark(args.map(String))).generationTokensPerSecond.median;
  };
  await inTurn(round, [
    async () => samples.add(model, "punie", { "batch.one": await one(1) }),
    async () => samples.add(model, "punie", { "batch.generationTokensPerSecond": await one(options.batch) }),
    () => peerJob(round, "batch", seed),
  ]);
}

/** What takes minutes and compares punie with itself. */
async function measureOnce(bench) {
  const { models, options, run, samples, say, signal } = bench;
  signal.throwIfAborted();
  if (options.only.includes("context")) {
    const model = middleModel(models);
    say(`${model.name}: generating after ${options.context} tokens`);
    const job = jobOf({ ...bench, kind: "context", model, seed: 50 });
    const lengths = { promptTokens: options.context, generateTokens: CONTEXT_GENERATE_TOKENS };
    samples.add(model, "punie", prefixed("context", await run.punie({ ...job, ...lengths })));
  }
  if (options.only.includes("growth")) {
    say(`${models[0].name}: reading a prompt of ${options.longContext} tokens`);
    const job = jobOf({ ...bench, kind: "growth", model: models[0], seed: 60 });
    const { progress } = await run.punie({ ...job, promptTokens: options.longContext });
    samples.growth[models[0].name] = progress;
  }
}

/** The second of several: for the shapes, 1.5b. */
function middleModel(models) {
  return models[Math.min(1, models.length - 1)];
}

/** A peer that fails is told, and costs nothing but its own figures. */
async function attempt(samples, side, work) {
  samples.signal.throwIfAborted();
  try {
    await work();
  } catch (error) {
    samples.signal.throwIfAborted();
    samples.failures.add(`${side}: ${error.message}`);
  }
}

/** Jobs give figures of the same name: `decode.loadMs` is another than `first.loadMs`. */
function prefixed(kind, figures) {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${kind}.${name}`, value]));
}
