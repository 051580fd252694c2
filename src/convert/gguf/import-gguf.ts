/** A GGUF file → an MLX model directory. */
import { randomUUID } from "node:crypto";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { PunieError } from "../../errors.js";
import { SafetensorsWriter, type TensorToWrite, tensorBytes } from "../safetensors-writer.js";
import { readModelConfig, toConfigJson, toGenerationConfigJson } from "./gguf-config.js";
import { bytesPerRow, GgufReader, rowsOf } from "./gguf-reader.js";
import { outputTensors, planTensors, type TensorPlan } from "./gguf-tensor-plan.js";
import { MLX_BITS, repackBlocks, unpermuteRows } from "./gguf-to-mlx-tensors.js";
import { readTokenizer } from "./gguf-tokenizer.js";

const WEIGHTS_FILE = "model.safetensors";
/** Read at a time; more where a single attention head has more. */
const CHUNK_BYTES = 4 << 20;

export interface ImportOptions {
  /** Stops within one chunk; what was written is removed, and the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Bytes of tensors written so far, and in all. */
  onProgress?: (progress: { writtenBytes: number; totalBytes: number }) => void;
}

export interface ImportResult {
  /** The directory, absolute. */
  path: string;
  modelType: string;
  /** Tensors written: a quantized matrix counts as three. */
  tensors: number;
  /** Size of the weights file. */
  bytes: number;
}

/**
 * Imports a dense llama or qwen2 model with a byte-level BPE tokenizer, without loss. The directory appears whole or
 * not at all; it must not exist before. Memory stays within some megabytes and the vocabulary, whatever the file's size.
 * @throws PunieError MODEL_NOT_FOUND, MODEL_CORRUPT, MODEL_UNSUPPORTED, WEIGHTS_MISMATCH, INVALID_OPTION, DISK_FULL
 */
export async function importGguf(
  file: string,
  outputDirectory: string,
  options: ImportOptions = {},
): Promise<ImportResult> {
  const path = resolve(outputDirectory);
  await requireAbsent(path);
  options.signal?.throwIfAborted();
  const reader = await GgufReader.open(file);
  try {
    const model = describeModel(reader);
    const imported = await fillDirectory(path, (directory) => writeModel(reader, model, directory, options));
    return { path, modelType: model.config.modelType, ...imported };
  } finally {
    await reader.close();
  }
}

async function requireAbsent(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found) throw new PunieError("INVALID_OPTION", `${path} exists already; choose another directory or remove it.`);
}

type Model = ReturnType<typeof describeModel>;

/** All that can be refused is refused here, before anything is written. */
function describeModel(reader: GgufReader) {
  const { header, path } = reader;
  const config = readModelConfig(header, path);
  const plans = planTensors(header, config, path);
  const tokenizer = readTokenizer(header.metadata, config.vocabSize, config.maxPositions, path);
  return { config, plans, tokenizer };
}

/** Lets `write` fill a temporary sibling of `path`, which then gets its name; a failure leaves nothing behind. */
async function fillDirectory<T>(path: string, write: (directory: string) => Promise<T>): Promise<T> {
  try {
    await mkdir(dirname(path), { recursive: true });
    const temporary = join(dirname(path), `.${basename(path)}.partial-${randomUUID()}`);
    await mkdir(temporary);
    try {
      const result = await write(temporary);
      await rename(temporary, path);
      return result;
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      throw error;
    }
  } catch (error) {
    throw isDiskFull(error) ? new PunieError("DISK_FULL", `No space left for ${path}.`, { cause: error }) : error;
  }
}

function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === "ENOSPC" || code === "EDQUOT";
}

async function writeModel(reader: GgufReader, model: Model, directory: string, options: ImportOptions) {
  const { config, plans, tokenizer } = model;
  const tensors = plans.flatMap(outputTensors);
  const bytes = await writeWeights(reader, plans, tensors, join(directory, WEIGHTS_FILE), options);
  const bits = new Map(
    plans.flatMap((plan) => (plan.quantizedType ? [[plan.module, MLX_BITS[plan.quantizedType]]] : [])),
  );
  await writeJson(join(directory, `${WEIGHTS_FILE}.index.json`), weightsIndex(tensors));
  await writeJson(join(directory, "config.json"), toConfigJson(config, bits));
  await writeJson(join(directory, "generation_config.json"), toGenerationConfigJson(config));
  await writeJson(join(directory, "tokenizer.json"), tokenizer.tokenizer);
  await writeJson(join(directory, "tokenizer_config.json"), tokenizer.tokenizerConfig);
  return { tensors: tensors.length, bytes };
}

async function writeWeights(
  reader: GgufReader,
  plans: TensorPlan[],
  tensors: TensorToWrite[],
  path: string,
  { signal, onProgress }: ImportOptions,
): Promise<number> {
  const writer = await SafetensorsWriter.create(path, tensors, { format: "mlx" });
  try {
    const totalBytes = totalSize(tensors);
    let writtenBytes = 0;
    for (const plan of plans) {
      for await (const chunkBytes of copyTensor(reader, plan, writer)) {
        writtenBytes += chunkBytes;
        onProgress?.({ writtenBytes, totalBytes });
        signal?.throwIfAborted();
      }
    }
    await writer.finish();
  } finally {
    await writer.close();
  }
  return writer.fileBytes;
}

/** Writes a tensor chunk by chunk, whole heads at a time; yields the bytes written. */
async function* copyTensor(reader: GgufReader, plan: TensorPlan, writer: SafetensorsWriter): AsyncGenerator<number> {
  const { source, permutedHeadDim } = plan;
  const rows = rowsOf(source);
  const rowBytes = bytesPerRow(source);
  const unit = permutedHeadDim ?? 1;
  const chunkRows = Math.max(1, Math.floor(CHUNK_BYTES / (rowBytes * unit))) * unit;
  for (let row = 0; row < rows; row += chunkRows) {
    const read = await reader.readRows(source, row, Math.min(chunkRows, rows - row));
    const inOrder = permutedHeadDim ? unpermuteRows(read, rowBytes, permutedHeadDim) : read;
    yield await writeChunk(inOrder, plan, writer);
  }
}

async function writeChunk(bytes: Uint8Array, plan: TensorPlan, writer: SafetensorsWriter): Promise<number> {
  const { source, module, member, quantizedType } = plan;
  if (!quantizedType) {
    await writer.append(`${module}.${member}`, bytes);
    return bytes.byteLength;
  }
  const { weight, scales, biases } = repackBlocks(bytes, quantizedType, source.name);
  await writer.append(`${module}.weight`, weight);
  await writer.append(`${module}.scales`, scales);
  await writer.append(`${module}.biases`, biases);
  return weight.byteLength + scales.byteLength + biases.byteLength;
}

function weightsIndex(tensors: TensorToWrite[]): Record<string, unknown> {
  const names = tensors.map((tensor) => tensor.name).sort();
  return {
    metadata: { total_size: totalSize(tensors) },
    weight_map: Object.fromEntries(names.map((name) => [name, WEIGHTS_FILE])),
  };
}

function totalSize(tensors: TensorToWrite[]): number {
  return tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
}

/** On the disk when it returns, so that the renamed directory is whole even after a power cut. */
async function writeJson(path: string, value: unknown): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.writeFile(`${JSON.stringify(value, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}
