/** Streams a plan's tensors into the shards of a new model directory. Memory stays within a few chunks. */
import { join } from "node:path";
import { PunieError } from "../errors.js";
import { fromNative } from "../native/binding.js";
import type { GgmlTypeName, NativeBinding, NativeConvertedRows, NativeRows } from "../native/binding-types.js";
import { LossAccount } from "./loss.js";
import { columnsOf, floatBytes, type ModelTensor, type StoredRows, type StoredTensor } from "./model-tensor.js";
import type { OutputPlan, TensorPlan } from "./output-plan.js";
import { SafetensorsWriter, type TensorToWrite } from "./safetensors-writer.js";

/** Read at a time, of one tensor; a row that is longer is read whole. */
const CHUNK_BYTES = 16 << 20;

export interface ConvertProgress {
  /** The tensor that was just written to. */
  tensor: string;
  writtenBytes: number;
  totalBytes: number;
}

export interface WriteOptions {
  binding: NativeBinding;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: ConvertProgress) => void) | undefined;
}

/** The names of a model's weight files. */
export function shardNames(count: number): string[] {
  if (count === 1) return ["model.safetensors"];
  const number = (value: number) => String(value).padStart(5, "0");
  return Array.from({ length: count }, (_, i) => `model-${number(i + 1)}-of-${number(count)}.safetensors`);
}

/** @returns Bytes of the files, the index, and what was lost. */
export async function writeWeights(directory: string, plan: OutputPlan, options: WriteOptions) {
  const names = shardNames(plan.shards.length);
  const shards = new Shards();
  const losses = new LossAccount();
  try {
    for (const [i, tensors] of plan.shards.entries()) await shards.create(join(directory, names[i] as string), tensors);
    let writtenBytes = 0;
    for (const tensor of plan.tensors) {
      for await (const chunk of convertedChunks(tensor, options, losses)) {
        writtenBytes += await shards.append(tensor.outputs, chunk);
        options.onProgress?.({ tensor: tensor.tensor.name, writtenBytes, totalBytes: plan.totalBytes });
        options.signal?.throwIfAborted();
      }
    }
    await shards.finish();
  } finally {
    await shards.close();
  }
  return { bytes: shards.bytes, index: weightsIndex(plan, names), losses: losses.losses() };
}

/** All of a model's shards, open at once: a module's parts may lie in two. */
class Shards {
  readonly #writers: SafetensorsWriter[] = [];
  readonly #writerOf = new Map<string, SafetensorsWriter>();

  async create(path: string, tensors: readonly TensorToWrite[]): Promise<void> {
    const writer = await SafetensorsWriter.create(path, tensors, { format: "mlx" });
    this.#writers.push(writer);
    for (const { name } of tensors) this.#writerOf.set(name, writer);
  }

  get bytes(): number {
    return this.#writers.reduce((sum, writer) => sum + writer.fileBytes, 0);
  }

  /** @returns The bytes written. */
  async append(outputs: readonly TensorToWrite[], { data, scales, biases }: NativeConvertedRows): Promise<number> {
    let written = 0;
    for (const [i, bytes] of [data, scales, biases].entries()) {
      const name = outputs[i]?.name;
      if (bytes === undefined || name === undefined) continue;
      await this.#writerOf.get(name)?.append(name, bytes);
      written += bytes.byteLength;
    }
    return written;
  }

  async finish(): Promise<void> {
    for (const writer of this.#writers) await writer.finish();
  }

  async close(): Promise<void> {
    for (const writer of this.#writers) await writer.close();
  }
}

/** The next chunk is read while one is converted. */
async function* convertedChunks(
  plan: TensorPlan,
  { binding }: WriteOptions,
  losses: LossAccount,
): AsyncGenerator<NativeConvertedRows> {
  const chunks = chunksOf(plan.tensor);
  let reading = readChunk(plan.tensor, chunks[0] ?? []);
  let firstRow = 0;
  for (const [i, pieces] of chunks.entries()) {
    const rows = await reading;
    const next = chunks[i + 1];
    if (next) {
      reading = readChunk(plan.tensor, next);
      // A failure is told when its turn comes.
      reading.catch(() => undefined);
    }
    yield plan.carried
      ? await carryChunk(plan, rows, binding, losses)
      : await convertChunk(plan, rows, firstRow, binding);
    firstRow += pieces.reduce((sum, { count }) => sum + count, 0);
  }
}

/** The tensor's rows in pieces of about CHUNK_BYTES; experts are small, so that a piece may hold several. */
function chunksOf({ shape, encoding, rows }: ModelTensor): StoredRows[][] {
  const chunkRows = Math.max(1, Math.floor(CHUNK_BYTES / (columnsOf(shape) * floatBytes(encoding.dtype))));
  const chunks: StoredRows[][] = [[]];
  let room = chunkRows;
  for (const source of rows) {
    for (let done = 0; done < source.count; ) {
      if (room === 0) {
        chunks.push([]);
        room = chunkRows;
      }
      const count = Math.min(room, source.count - done);
      chunks.at(-1)?.push({ ...source, first: source.first + done, count });
      done += count;
      room -= count;
    }
  }
  return chunks;
}

interface ChunkBytes {
  data: Uint8Array;
  scales?: Uint8Array;
  biases?: Uint8Array;
}

async function readChunk({ shape, encoding }: ModelTensor, pieces: readonly StoredRows[]): Promise<ChunkBytes> {
  const columns = columnsOf(shape);
  if (encoding.kind === "float") {
    return { data: await readRows(pieces, (piece) => piece.data, columns * floatBytes(encoding.dtype)) };
  }
  if (encoding.kind === "ggml") {
    const rowBytes = (columns / encoding.blockValues) * encoding.blockBytes;
    return { data: await readRows(pieces, (piece) => piece.data, rowBytes) };
  }
  const { bits, groupSize, mode } = encoding.quantization;
  const scaleBytes = (columns / groupSize) * (mode === "affine" ? floatBytes(encoding.dtype) : 1);
  return {
    data: await readRows(pieces, (piece) => piece.data, (columns * bits) / 8),
    scales: await readRows(pieces, (piece) => piece.scales, scaleBytes),
    ...(mode === "affine" && { biases: await readRows(pieces, (piece) => piece.biases, scaleBytes) }),
  };
}

async function readRows(
  pieces: readonly StoredRows[],
  tensorOf: (piece: StoredRows) => StoredTensor | undefined,
  rowBytes: number,
): Promise<Uint8Array> {
  const rows = pieces.reduce((sum, piece) => sum + piece.count, 0);
  const bytes = new Uint8Array(rows * rowBytes);
  let at = 0;
  for (const piece of pieces) {
    const end = at + piece.count * rowBytes;
    await tensorOf(piece)?.read(bytes.subarray(at, end), piece.first * rowBytes);
    at = end;
  }
  return bytes;
}

async function convertChunk(
  plan: TensorPlan,
  rows: ChunkBytes,
  firstRow: number,
  binding: NativeBinding,
): Promise<NativeConvertedRows> {
  const { tensor, cast, kept } = plan;
  const { encoding, shape } = tensor;
  const { dtype } = encoding;
  if (kept) return await castScales(rows, kept.groupSize, plan, binding);
  const plain = encoding.kind === "float" && cast === dtype && !tensor.addOne && !tensor.change && !plan.quantize;
  if (plain) return { data: rows.data as Uint8Array<ArrayBuffer> };
  return await convert(plan, binding, {
    ...rows,
    columns: columnsOf(shape),
    dtype,
    ...(encoding.kind === "packed" && { packed: encoding.quantization }),
    ...(encoding.kind === "ggml" && { ggml: encoding.type }),
    ...(tensor.addOne && { addOne: true }),
    ...(tensor.change && { adapter: { ...tensor.change, firstRow } }),
    cast,
    ...(plan.quantize && { quantize: plan.quantize }),
  });
}

async function carryChunk(plan: TensorPlan, { data }: ChunkBytes, binding: NativeBinding, losses: LossAccount) {
  const { tensor, carried } = plan;
  const ggml = carried as GgmlTypeName;
  const columns = columnsOf(tensor.shape);
  const rows = await named(tensor, () => binding.carryGgmlRows({ data, columns, ggml }));
  losses.add(ggml, tensor.name, rows);
  return rows;
}

/** Packed rows stay; affine scales and biases take the new type. */
async function castScales(rows: ChunkBytes, groupSize: number, plan: TensorPlan, binding: NativeBinding) {
  const { tensor, cast } = plan;
  const { dtype } = tensor.encoding;
  const same = rows as NativeConvertedRows;
  if (rows.biases === undefined || dtype === cast) return same;
  const columns = columnsOf(tensor.shape) / groupSize;
  const scales = await convert(plan, binding, { data: rows.scales as Uint8Array, columns, dtype, cast });
  const biases = await convert(plan, binding, { data: rows.biases, columns, dtype, cast });
  return { data: same.data, scales: scales.data, biases: biases.data };
}

async function convert({ tensor }: TensorPlan, binding: NativeBinding, rows: NativeRows): Promise<NativeConvertedRows> {
  return await named(tensor, () => binding.convertRows(rows));
}

/** A failure of the addon says which tensor it was. */
async function named<T>(tensor: ModelTensor, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, message } = fromNative(error);
    throw new PunieError(code, `Tensor '${tensor.rows[0]?.data.name ?? tensor.name}': ${message}`, { cause: error });
  }
}

function weightsIndex(plan: OutputPlan, names: readonly string[]): Record<string, unknown> {
  const entries = plan.shards.flatMap((tensors, i) => tensors.map(({ name }) => [name, names[i]] as const));
  return {
    metadata: { total_size: plan.totalBytes, total_parameters: plan.totalParameters },
    weight_map: Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}
