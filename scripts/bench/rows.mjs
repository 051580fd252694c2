/** The measured figures as rows of a table: medians side by side, a ratio, and what it should be. */
import { growth, msPerTokenAt, spread } from "./statistics.mjs";

/** Ratios to reach, per shape where they differ. `atLeast` and `atMost` are of the row's ratio. */
export const AIMS = {
  decode: { "0.5b": { atLeast: 2 }, "1.5b": { atLeast: 1.7 }, "3b": { atLeast: 1.5 } },
  share: { "3b": { atLeast: 0.85 } },
  prompt: { atLeast: 1.5 },
  load: { atMost: 1 / 20 },
  firstToken: { atMost: 1 / 2 },
  memory: { atMost: 1 },
  batch: { atLeast: 2.5 },
  context: { atLeast: 0.6 },
  // Even in a quiet minute two slopes differ by a few per cent.
  growth: { atMost: 1.1 },
};

const POSITIONS = [1024, 4096, 8192, 16_384, 32_256];
const PEER = "node-llama-cpp";
/** What memory may hold beside the weights' file and the caches. */
const ROOM_BYTES = 150e6;
const ROOM_FACTOR = 1.1;

/**
 * @typedef {object} Row
 * @property {string} model
 * @property {string} measure
 * @property {string} unit
 * @property {Record<string, import("./statistics.mjs").Spread>} sides
 * @property {number} [ratio] punie's median over the other's.
 * @property {string} [against] What the ratio is to.
 * @property {{ atLeast?: number, atMost?: number }} [aim]
 * @property {boolean} [met]
 */

/**
 * @param {{ name: string, weightFileBytes: number, bytesPerToken: number }[]} models
 * @param {{ samples: object, growth: object }} measured As `measure` gives it.
 * @returns {Row[]}
 */
export function rowsOf(models, measured, { promptTokens, batch, context }) {
  return models.flatMap((model) => {
    const sides = measured.samples[model.name] ?? {};
    return [
      peerRow(model, sides, "decode", "tokens/s", "decode.generationTokensPerSecond", AIMS.decode[model.name]),
      shareRow(model, sides),
      peerRow(model, sides, `prompt, ${promptTokens} tokens`, "tokens/s", "prompt.promptTokensPerSecond", AIMS.prompt),
      peerRow(model, sides, "load", "ms", "first.loadMs", AIMS.load),
      peerRow(model, sides, "first token of a fresh process", "ms", "first.firstTokenMs", AIMS.firstToken),
      memoryRow(model, sides),
      batchRow(model, sides, batch),
      contextRow(model, sides, context),
      ...growthRows(model, measured.growth[model.name]),
    ].filter((row) => row !== undefined);
  });
}

/**
 * The memory's bandwidth, bytes a second, as punie and as the separate program measured it in this run.
 * @param {{ samples: object }} measured
 */
export function bandwidths({ samples }) {
  const all = (side, figure) => Object.values(samples).flatMap((sides) => sides[side]?.[figure] ?? []);
  const found = { punie: all("punie", "decode.bandwidth"), separateProgram: all("memory", "bandwidth") };
  return Object.fromEntries(Object.entries(found).flatMap(([by, runs]) => (runs.length ? [[by, spread(runs)]] : [])));
}

function row(model, measure, unit, values, comparison = {}) {
  const sides = Object.fromEntries(
    Object.entries(values).flatMap(([side, runs]) => (runs?.length ? [[side, spread(runs)]] : [])),
  );
  const { ratio, against, aim } = comparison;
  const judged = ratio === undefined || aim === undefined ? {} : { aim, met: meets(ratio, aim) };
  return { model: model.name, measure, unit, sides, ...(ratio !== undefined && { ratio, against }), ...judged };
}

export function meets(ratio, { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY }) {
  return ratio >= atLeast && ratio <= atMost;
}

function peerRow(model, sides, measure, unit, figure, aim) {
  const ours = sides.punie?.[figure];
  if (!ours) return undefined;
  const theirs = sides[PEER]?.[figure];
  // mlx-lm runs one job only, whose figures have no kind.
  const mlxLm = unit === "ms" ? undefined : sides["mlx-lm"]?.[figure.replace(/^\w+\./, "")];
  const other = theirs ? PEER : mlxLm ? "mlx-lm" : undefined;
  const ratio = other && median(ours) / median(theirs ?? mlxLm);
  const comparison = other ? { ratio, against: other, ...(theirs && { aim }) } : {};
  return row(model, measure, unit, { punie: ours, [PEER]: theirs, "mlx-lm": mlxLm }, comparison);
}

/** Of the larger of the two measured bandwidths: the stricter reading. */
function shareRow(model, sides) {
  const ours = sides.punie?.["decode.generationTokensPerSecond"];
  if (!ours) return undefined;
  const bandwidths = [sides.punie["decode.bandwidth"], sides.memory?.bandwidth].filter((runs) => runs?.length);
  const bandwidth = Math.max(...bandwidths.map(median));
  const share = (rates) => rates?.map((rate) => (100 * rate * model.bytesPerToken) / bandwidth);
  const values = { punie: share(ours), [PEER]: share(sides[PEER]?.["decode.generationTokensPerSecond"]) };
  const ratio = median(values.punie) / 100;
  const against = `of ${(bandwidth / 1e9).toFixed(1)} GB/s`;
  return row(model, "decode, share of memory bandwidth", "%", values, { ratio, against, aim: AIMS.share[model.name] });
}

function memoryRow(model, sides) {
  const ours = sides.punie?.["prompt.peakMemoryBytes"];
  if (!ours) return undefined;
  const megabytes = (bytes) => bytes?.map((value) => value / 1e6);
  const cache = median(sides.punie["prompt.cacheBytes"]);
  const bound = model.weightFileBytes * ROOM_FACTOR + ROOM_BYTES + cache;
  const values = { punie: megabytes(ours), [PEER]: megabytes(sides[PEER]?.["prompt.peakMemoryBytes"]) };
  const against = `of ${(bound / 1e6).toFixed(0)} MB allowed`;
  return row(model, "peak memory", "MB", values, { ratio: median(ours) / bound, against, aim: AIMS.memory });
}

function batchRow(model, sides, batch) {
  const ours = sides.punie?.["batch.generationTokensPerSecond"];
  const one = sides.punie?.["batch.one"];
  if (!ours || !one) return undefined;
  const ratio = median(ours) / median(one);
  const values = { punie: ours, [PEER]: sides[PEER]?.["batch.generationTokensPerSecond"] };
  return row(model, `decode, ${batch} together`, "tokens/s", values, {
    ratio,
    against: "punie alone",
    aim: AIMS.batch,
  });
}

function contextRow(model, sides, context) {
  const full = sides.punie?.["context.fullTokensPerSecond"];
  if (!full) return undefined;
  const ratio = median(full) / median(sides.punie["context.emptyTokensPerSecond"]);
  const comparison = { ratio, against: "an empty context", aim: AIMS.context };
  return row(model, `decode after ${context} tokens`, "tokens/s", { punie: full }, comparison);
}

/** A prompt token's time along a long prompt, and attention's rate as its growth has it. */
function growthRows(model, progress) {
  if (!progress) return [];
  const total = progress.at(-1)?.[0] ?? 0;
  const points = msPerTokenAt(progress, [...POSITIONS.filter((position) => position < total), total]);
  const rows = points.map(({ position, msPerToken }) => {
    const ratio = msPerToken / points[0].msPerToken;
    const comparison = position === points[0].position ? {} : { ratio, against: `at ${points[0].position}` };
    return row(model, `a prompt's token at ${position}`, "ms", { punie: [msPerToken] }, comparison);
  });
  if (points.length < 3) return rows;
  const { earlier, later, growth: ratio } = growth(points);
  // Time that falls along a prompt is a disturbed measurement, which says nothing.
  if (!(earlier > 0 && later > 0)) return rows;
  // Scores and weighted values: a multiplication and an addition each, for every head's width and layer.
  const operations = 4 * model.config.attentionWidth * model.config.layers;
  const rate = operations / (later / 1000) / 1e9;
  const measure = "attention, as a token's time grows";
  const comparison = { ratio, against: "the earlier growth, per position", aim: AIMS.growth };
  return [...rows, row(model, measure, "GFLOP/s", { punie: [rate] }, comparison)];
}

function median(runs) {
  return spread(runs).median;
}
