/** `punie benchmark`: tokens per second, and how near they are to what this machine's memory allows. */
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { MAX_BATCH } from "../../bench/batch.js";
import type { Measured, Spread } from "../../bench/benchmark.js";
import type { ShapeModel } from "../../bench/shape-model.js";
import { SHAPES, type ShapeName } from "../../bench/shapes.js";
import { completeQuantization, QUANTIZATION_MODES } from "../../convert/quantization-choice.js";
import { QUANTIZATION_BITS } from "../../models/quantization-config.js";
import { loadBinding } from "../../native/binding.js";
import type { Quantization, QuantizationMode } from "../../native/binding-types.js";
import { interruptible } from "../interrupt.js";
import { addModelOptions, loadOptions, type ModelFlags, modelName } from "../model-options.js";
import { positiveInteger } from "../numbers.js";
import { answer, answerJson, note } from "../output.js";

interface BenchmarkFlags extends ModelFlags {
  shape?: ShapeName;
  bits?: string;
  mode?: QuantizationMode;
  promptTokens: number;
  generateTokens: number;
  batch: number;
  repeat: number;
  json?: boolean;
}

/** What `--json` prints. */
interface Report extends Measured {
  model: string;
  device: string;
  threads: number;
  promptTokens: number;
  generateTokens: number;
  batch: number;
  repeats: number;
  memoryBandwidthBytesPerSecond: number;
  /** Of the bandwidth that the weights read for each token take. */
  bandwidthShare: number;
}

export function benchmarkCommand(): Command {
  const shape = new Option("--shape <name>", "a model of this shape with made-up weights: nothing is downloaded");
  const bits = new Option("--bits <n>", "bits of a weight of the shape (default: 4, or the mode's)");
  const mode = new Option("--mode <mode>", "how the shape's weights are quantized (default: affine)");
  const command = new Command("benchmark")
    .addOption(shape.choices(Object.keys(SHAPES)).conflicts("model"))
    .addOption(bits.choices(QUANTIZATION_BITS.map(String)).conflicts("model"))
    .addOption(mode.choices(QUANTIZATION_MODES).conflicts("model"))
    .option("--prompt-tokens <n>", "tokens of the prompt", positiveInteger, 512)
    .option("--generate-tokens <n>", "tokens of the answer", atLeastTwo, 128)
    .option("--batch <n>", `requests at once, up to ${MAX_BATCH}; rates are of all together`, batchSize, 1)
    .option("--repeat <n>", "how often it is measured", positiveInteger, 3);
  return addModelOptions(command)
    .option("--json", "print one JSON object")
    .addHelpText("after", EXAMPLES)
    .action((flags: BenchmarkFlags) => interruptible((signal) => run(flags, signal)));
}

const EXAMPLES = `
Examples:
  $ punie benchmark --shape qwen2.5-coder-7b
  $ punie benchmark --shape qwen3-coder-30b-a3b --bits 3
  $ punie benchmark --shape qwen3-coder-30b-a3b --mode mxfp4
  $ punie benchmark --model ./my-model --prompt-tokens 1024 --repeat 5 --json
`;

/** A rate needs the time between two tokens. */
function atLeastTwo(text: string): number {
  const value = positiveInteger(text);
  if (value < 2) throw new InvalidArgumentError("Expected an integer above 1: a rate needs two tokens.");
  return value;
}

function batchSize(text: string): number {
  const value = positiveInteger(text);
  if (value > MAX_BATCH)
    throw new InvalidArgumentError(`Expected 1 to ${MAX_BATCH}: so many requests run at once, and more would wait.`);
  return value;
}

async function run(flags: BenchmarkFlags, signal: AbortSignal): Promise<void> {
  const quantization = completeQuantization({
    mode: flags.mode,
    bits: flags.bits === undefined ? undefined : Number(flags.bits),
  });
  const made = flags.shape && (await makeShape(flags.shape, quantization, signal));
  try {
    const report = await measure(flags, made?.path ?? modelName(flags), signal);
    if (flags.json) answerJson(report);
    else answer(reportText(report));
  } finally {
    await made?.remove();
  }
}

async function makeShape(name: ShapeName, quantization: Quantization, signal: AbortSignal): Promise<ShapeModel> {
  const { makeShapeModel } = await import("../../bench/shape-model.js");
  const onStart = (bytes: number, path: string) => {
    note(`Making weights of the shape ${name}, ${(bytes / 1e9).toFixed(2)} GB, in ${dirname(path)}...`);
    // A second Ctrl-C ends the process at once, and gigabytes would stay.
    process.once("exit", () => rmSync(path, { recursive: true, force: true }));
  };
  return await makeShapeModel(SHAPES[name], { quantization, onStart, signal });
}

async function measure(flags: BenchmarkFlags, name: string, signal: AbortSignal): Promise<Report> {
  const { loadModel } = await import("../../api/load-model.js");
  const { benchmark, bytesPerToken } = await import("../../bench/benchmark.js");
  const model = await loadModel(name, { ...loadOptions(flags), signal });
  try {
    const binding = loadBinding();
    const threads = flags.threads ?? binding.info().cores;
    const { promptTokens, generateTokens, batch, repeat: repeats } = flags;
    note(`Running ${flags.shape ?? model.info.name} on ${model.info.device}...`);
    const measured = await benchmark(model, { promptTokens, generateTokens, batch, repeats, signal });
    const memoryBandwidthBytesPerSecond = await binding.measureMemoryBandwidth(threads);
    // One reading of the weights gives every request of the batch a token.
    const readings = measured.generationTokensPerSecond.median / batch;
    const read = (await bytesPerToken(model.info.path)) * readings;
    return {
      model: flags.shape ?? model.info.name,
      device: model.info.device,
      threads,
      promptTokens,
      generateTokens,
      batch,
      repeats,
      ...measured,
      memoryBandwidthBytesPerSecond,
      bandwidthShare: read / memoryBandwidthBytesPerSecond,
    };
  } finally {
    await model.dispose();
  }
}

function reportText(report: Report): string {
  const { model, device, threads, promptTokens, generateTokens, batch, repeats } = report;
  const each = batch === 1 ? "" : `${batch} × `;
  const spread = ({ median, min, max }: Spread, unit: string) =>
    `${median.toFixed(1)} ${unit}${repeats === 1 ? "" : ` (${min.toFixed(1)} to ${max.toFixed(1)})`}`;
  const rows: [string, string][] = [
    ["Model", `${model}, ${megabytes(report.modelBytes)} of weights`],
    ["Device", `${device}, ${threads} threads`],
    ["Prompt", `${each}${promptTokens} tokens, ${spread(report.promptTokensPerSecond, "tokens/s")}`],
    ["Generation", `${each}${generateTokens} tokens, ${spread(report.generationTokensPerSecond, "tokens/s")}`],
    ["First token", spread(report.firstTokenMs, "ms")],
    ["Load", `${report.loadMs.toFixed(0)} ms`],
    ["Peak memory", megabytes(report.peakMemoryBytes)],
    ["Bandwidth", bandwidthText(report)],
  ];
  const lines = rows.map(([name, value]) => `${name.padEnd(12)} ${value}`);
  const heading = repeats === 1 ? [] : [`Median of ${repeats} (least to most)`];
  return `${[...lines, ...heading].join("\n")}\n`;
}

function bandwidthText({ memoryBandwidthBytesPerSecond: bandwidth, bandwidthShare }: Report): string {
  return `${(bandwidth / 1e9).toFixed(1)} GB/s, of which generation uses ${(bandwidthShare * 100).toFixed(0)} %`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
