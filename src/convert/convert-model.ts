/** A Hugging Face model directory, one in MLX's form, or a GGUF file → an MLX model directory, quantized or not. */
import { basename, join, resolve } from "node:path";
import type { NativeBinding, Quantization } from "../native/binding-types.js";
import { type ConversionSource, openConversionSource } from "./conversion-source.js";
import { fuseAdapter } from "./fuse-adapter.js";
import { lossText, type TypeLoss } from "./loss.js";
import { fillDirectory, requireAbsent, requireRoom, writeJson, writeText } from "./new-directory.js";
import { type OutputPlan, planOutput, SHARD_BYTES } from "./output-plan.js";
import { convertPackedDirectory, isPackedDirectory } from "./packed/convert-packed.js";
import { modelCard } from "./provenance.js";
import { chooseQuantization, type QuantizationOptions } from "./quantization-choice.js";
import { CONVERSION_DTYPES, type ConversionDtype } from "./source-config.js";
import { type ConvertProgress, writeWeights } from "./write-weights.js";

export interface ConvertOptions extends QuantizationOptions {
  /** What floats are cast to before anything is quantized. Default: config.json's `torch_dtype`, else their own type. */
  dtype?: ConversionDtype | undefined;
  /** The directory of a LoRA or DoRA adapter that is fused into the weights, before they are quantized. */
  adapter?: string | undefined;
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
  /** What modules have that have no row of their own in config.json, or null. */
  quantization: Quantization | null;
  shards: number;
  /** Size of the weight files. */
  bytes: number;
  parameters: number;
  bitsPerWeight: number;
  /** What it cost to carry over GGUF's types that MLX has no equal of. */
  losses: TypeLoss[];
}

/**
 * Converts tensor by tensor, in bounded memory. The directory appears whole or not at all; it must not exist before.
 * Packed weights are unpacked when a quantization is asked for, and else stay as they are.
 *
 * @param path A model directory, or a GGUF file.
 * @throws PunieError `INVALID_OPTION`, `MODEL_NOT_FOUND`, `MODEL_CORRUPT`, `MODEL_UNSUPPORTED`, `WEIGHTS_MISMATCH`,
 * `DISK_FULL`, `OUT_OF_MEMORY`; the signal's reason when it aborts.
 */
export async function convertModel(
  binding: NativeBinding,
  path: string,
  output: string,
  options: ConvertOptions = {},
): Promise<ConvertResult> {
  const target = resolve(output);
  await requireAbsent(target);
  options.signal?.throwIfAborted();
  if (await isPackedDirectory(path)) return await convertPackedDirectory(path, target, options);
  const source = await openConversionSource(path);
  try {
    const tensors = options.adapter ? await fuseAdapter(source.tensors, options.adapter) : source.tensors;
    const plan = planConversion({ ...source, tensors }, path, options);
    return await fillDirectory(target, async (directory) => {
      await requireRoom(directory, plan.totalBytes);
      const { bytes, index, losses } = await writeWeights(directory, plan, { binding, ...options });
      await source.requireUnchanged();
      const result = { path: target, modelType: source.modelType, bytes, losses, ...summary(plan) };
      await source.writeCompanions(directory);
      await writeText(join(directory, "README.md"), cardOf(source, result, options));
      await writeJson(join(directory, "model.safetensors.index.json"), index, 4);
      // Last: without it no directory counts as a model.
      await writeJson(join(directory, "config.json"), newConfig(source, plan), 4);
      return result;
    });
  } finally {
    await source.close();
  }
}

function planConversion(source: ConversionSource, place: string, options: ConvertOptions): OutputPlan {
  const asked = options.dtype && CONVERSION_DTYPES[options.dtype];
  return planOutput(source.tensors, {
    choice: chooseQuantization(options, source.modelType, source.layers),
    table: source.table,
    cast: (tensor, quantized) => (asked && source.mayCast(tensor) ? asked : source.usualCast(tensor, quantized)),
    shardBytes: options.shardBytes ?? SHARD_BYTES,
    place,
  });
}

/** As mlx-lm writes it: sorted, with the table under both names. */
function newConfig({ config }: ConversionSource, { table }: OutputPlan): Record<string, unknown> {
  const whole = table === undefined ? config : { ...config, quantization: table, quantization_config: table };
  return Object.fromEntries(Object.entries(whole).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function summary({ defaults, shards, totalParameters, totalBytes }: OutputPlan) {
  return {
    quantization: defaults ?? null,
    shards: shards.length,
    parameters: totalParameters,
    bitsPerWeight: (totalBytes * 8) / totalParameters,
  };
}

function cardOf(source: ConversionSource, result: ConvertResult, options: ConvertOptions): string {
  const { quantization, bitsPerWeight, losses } = result;
  const weights = quantization === null ? "not quantized" : quantizationText(quantization, options);
  return modelCard({
    ...source.provenance,
    weights,
    bitsPerWeight,
    notes: [...fused(options), ...losses.map(lossText)],
  });
}

function fused({ adapter }: ConvertOptions): string[] {
  return adapter ? [`Adapter: ${basename(resolve(adapter))}, fused`] : [];
}

function quantizationText({ mode, bits, groupSize }: Quantization, { mixed }: QuantizationOptions): string {
  if (mixed) return `${mixed}: affine, ${mixed.slice(6).replace("_", " and ")} bits, in groups of ${groupSize}`;
  return `${bits}-bit ${mode} in groups of ${groupSize}`;
}
