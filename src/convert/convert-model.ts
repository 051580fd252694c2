/** A Hugging Face model directory, or one in MLX's form → an MLX model directory, quantized or not. */
import { join, resolve } from "node:path";
import type { NativeBinding, QuantizationMode } from "../native/binding-types.js";
import { copyCompanions } from "./companion-files.js";
import { fillDirectory, requireAbsent, requireRoom, writeJson, writeText } from "./new-directory.js";
import { type OutputPlan, planOutput, SHARD_BYTES } from "./output-plan.js";
import { modelCard, readProvenance } from "./provenance.js";
import { chooseQuantization, type QuantizationOptions } from "./quantization-choice.js";
import { SafetensorsSource } from "./safetensors-source.js";
import { sanitize } from "./sanitize.js";
import { CONVERSION_DTYPES, type ConversionDtype, readSourceConfig, type SourceConfig } from "./source-config.js";
import { inModelOrder } from "./tensor-order.js";
import { type ConvertProgress, writeWeights } from "./write-weights.js";

export interface ConvertOptions extends QuantizationOptions {
  /** What floats are cast to before anything is quantized. Default: config.json's `torch_dtype`, else their own type. */
  dtype?: ConversionDtype | undefined;
  /** Stops within one chunk; what was written is removed, and the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: ConvertProgress) => void) | undefined;
  /** For tests: most bytes of tensors in a shard. Default 5 GiB. */
  shardBytes?: number | undefined;
}

export interface ConvertResult {
  /** The new directory, absolute. */
  path: string;
  modelType: string;
  /** What modules have without a row of their own, or null. */
  quantization: QuantizationMode | null;
  shards: number;
  /** Size of the weight files. */
  bytes: number;
  parameters: number;
  bitsPerWeight: number;
}

/**
 * Converts tensor by tensor, in bounded memory. The directory appears whole or not at all; it must not exist before.
 * Packed weights are unpacked when a quantization is asked for, and else stay as they are.
 *
 * @param source A model directory.
 * @throws PunieError `INVALID_OPTION`, `MODEL_CORRUPT`, `MODEL_UNSUPPORTED`, `WEIGHTS_MISMATCH`, `DISK_FULL`,
 * `OUT_OF_MEMORY`; the signal's reason when it aborts.
 */
export async function convertModel(
  binding: NativeBinding,
  source: string,
  output: string,
  options: ConvertOptions = {},
): Promise<ConvertResult> {
  const path = resolve(output);
  await requireAbsent(path);
  options.signal?.throwIfAborted();
  const config = await readSourceConfig(source);
  const weights = await SafetensorsSource.open(source, config.packedAs);
  try {
    const plan = planConversion(config, weights, source, options);
    const bytes = await fillDirectory(path, async (directory) => {
      await requireRoom(directory, plan.totalBytes);
      const written = await writeWeights(directory, plan, { binding, ...options });
      await copyCompanions(source, directory);
      await writeText(join(directory, "README.md"), await card(config, plan, source, options));
      await writeJson(join(directory, "model.safetensors.index.json"), written.index, 4);
      // Last: without it no directory counts as a model.
      await writeJson(join(directory, "config.json"), newConfig(config, plan), 4);
      return written.bytes;
    });
    return { path, modelType: config.modelType, bytes, ...summary(config, plan, options) };
  } finally {
    await weights.close();
  }
}

function planConversion(config: SourceConfig, weights: SafetensorsSource, place: string, options: ConvertOptions) {
  const choice = chooseQuantization(options, config.modelType, config.layers);
  const dtype = options.dtype === undefined ? config.dtype : CONVERSION_DTYPES[options.dtype];
  const keepsLogarithm = config.modelType.startsWith("qwen3_5");
  return planOutput(inModelOrder(sanitize(weights.tensors, config, place), config.modelType, place), {
    choice,
    // The decay of qwen3_5's gated delta nets stays as precise as it was.
    cast: ({ name }) => (keepsLogarithm && name.endsWith("A_log") ? undefined : dtype),
    shardBytes: options.shardBytes ?? SHARD_BYTES,
    place,
  });
}

/** As mlx-lm writes it: sorted, with the table under both names. */
function newConfig({ json, isPacked }: SourceConfig, { table }: OutputPlan): Record<string, unknown> {
  const { _name_or_path: _, vision_config: __, quantization, quantization_config: otherName, ...rest } = json;
  const now = table ?? (isPacked ? (quantization ?? otherName) : undefined);
  const config = now === undefined ? rest : { ...rest, quantization: now, quantization_config: now };
  return Object.fromEntries(Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function summary(config: SourceConfig, plan: OutputPlan, options: ConvertOptions) {
  const quantization =
    chooseQuantization(options, config.modelType, config.layers)?.defaults ?? config.packedAs("") ?? null;
  return {
    quantization,
    shards: plan.shards.length,
    parameters: plan.totalParameters,
    bitsPerWeight: (plan.totalBytes * 8) / plan.totalParameters,
  };
}

async function card(config: SourceConfig, plan: OutputPlan, source: string, options: ConvertOptions): Promise<string> {
  const { quantization, bitsPerWeight } = summary(config, plan, options);
  const weights = quantization === null ? "not quantized" : quantizationText(quantization, options);
  return modelCard({ ...(await readProvenance(resolve(source))), weights, bitsPerWeight, notes: [] });
}

export function quantizationText({ mode, bits, groupSize }: QuantizationMode, { mixed }: QuantizationOptions): string {
  if (mixed)
    return `${mixed}: ${mixed.replace("mixed_", "").replace("_", " and ")} bits, affine, in groups of ${groupSize}`;
  return `${bits}-bit ${mode} in groups of ${groupSize}`;
}
