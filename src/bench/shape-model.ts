/** Writes a model of a given shape whose weights mean nothing: as fast to run as a real one, and there at once. */
import { randomFillSync } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SafetensorsWriter, tensorBytes } from "../convert/safetensors-writer.js";
import { PunieError } from "../errors.js";
import { isRunning } from "../models/running-process.js";
import {
  DEFAULT_QUANTIZATION,
  type Shape,
  type ShapeQuantization,
  type ShapeTensor,
  shapeConfig,
  shapeTensors,
} from "./shapes.js";

export interface ShapeModel {
  /** A model directory without a tokenizer. */
  path: string;
  bytes: number;
  /** Deletes it. Idempotent. */
  remove: () => Promise<void>;
}

export interface ShapeModelOptions {
  /** Where to make it, best first. Default: memory where the system has a file system there, else its temporary one. */
  parents?: readonly string[];
  /** Default 4 bits in groups of 64. */
  quantization?: ShapeQuantization;
  /** Told before the bytes are written, of how many, and of the directory that holds them. */
  onStart?: (bytes: number, path: string) => void;
  signal?: AbortSignal;
}

/** Linux's file system in memory. */
const SHARED_MEMORY = "/dev/shm";
/** A directory's name tells the process that made it. */
const OWNER = /^punie-shape-(\d+)-/;
/** What is left to the rest of the machine. */
const ROOM_TO_SPARE_BYTES = 512 * 2 ** 20;

/** @throws PunieError `DISK_FULL` when no place has room; the signal's reason. What was written is deleted then. */
export async function makeShapeModel(shape: Shape, options: ShapeModelOptions = {}): Promise<ShapeModel> {
  const quantization = options.quantization ?? DEFAULT_QUANTIZATION;
  const tensors = shapeTensors(shape, quantization);
  const bytes = tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  const parents = options.parents ?? [SHARED_MEMORY, tmpdir()];
  await removeLeftovers(parents);
  const parent = await placeFor(bytes, parents);
  const path = await mkdtemp(join(parent, `punie-shape-${process.pid}-`));
  const remove = () => rm(path, { recursive: true, force: true });
  try {
    options.onStart?.(bytes, path);
    await writeFile(join(path, "config.json"), JSON.stringify(shapeConfig(shape, quantization)));
    await writeWeights(join(path, "model.safetensors"), tensors, options.signal);
    return { path, bytes, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** What killed benchmarks left: gigabytes that nobody else would delete, and in memory at that. */
async function removeLeftovers(parents: readonly string[]): Promise<void> {
  for (const parent of parents) {
    for (const name of await readdir(parent).catch(() => [])) {
      const pid = Number(OWNER.exec(name)?.[1]);
      if (!(pid > 0) || isRunning(pid)) continue;
      // Another user's stays.
      await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined);
    }
  }
}

async function placeFor(bytes: number, parents: readonly string[]): Promise<string> {
  const needed = bytes + ROOM_TO_SPARE_BYTES;
  for (const parent of parents) {
    if (!existsSync(parent)) continue;
    const { bavail, bsize } = await statfs(parent);
    // What lies in shared memory takes from the same memory that everything else needs.
    const room = parent === SHARED_MEMORY ? Math.min(bavail * bsize, process.availableMemory()) : bavail * bsize;
    if (room >= needed) return parent;
  }
  throw new PunieError(
    "DISK_FULL",
    `No room for the model's ${megabytes(bytes)}: ${parents.join(" and ")} have less than ${megabytes(needed)} free. ` +
      "Make room, or choose a smaller shape.",
  );
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}

async function writeWeights(file: string, tensors: readonly ShapeTensor[], signal?: AbortSignal): Promise<void> {
  const writer = await SafetensorsWriter.create(file, tensors, { format: "mlx" });
  try {
    const fillings = new Fillings();
    for (const tensor of tensors) {
      const block = fillings.of(tensor);
      for (let left = tensorBytes(tensor); left > 0; left -= Math.min(left, block.byteLength)) {
        signal?.throwIfAborted();
        await writer.append(tensor.name, block.subarray(0, Math.min(left, block.byteLength)));
      }
    }
  } finally {
    await writer.close();
  }
}

/** No multiple of a row's bytes, so that rows differ. */
const BLOCK_BYTES = 16 * 2 ** 20 + 4 * 1009;

/** Blocks of bytes that tensors are tiled with: making each of billions of weights up would take minutes. */
class Fillings {
  readonly #blocks = new Map<string, Uint8Array>();

  of({ fill, columns, bits }: ShapeTensor): Uint8Array {
    const key = fill === "scale" || fill === "bias" ? `${fill} ${columns} ${bits}` : fill;
    let block = this.#blocks.get(key);
    if (block === undefined) {
      block = makeBlock(fill, columns, bits);
      this.#blocks.set(key, block);
    }
    return block;
  }
}

const SCALES = 2 ** 16;

/** Weights of a linear layer get the variance 1/columns, which keeps activations, and so the logits, finite. */
function makeBlock(fill: ShapeTensor["fill"], columns: number, bits: number): Uint8Array {
  if (fill === "weight") return randomFillSync(new Uint8Array(BLOCK_BYTES));
  if (fill === "zero") return new Uint8Array(2 * SCALES);
  // Of a uniform value of so many bits: with the bias at minus so many scales as its mean, weights are around 0.
  const mean = (2 ** bits - 1) / 2;
  const deviation = 2 ** bits / Math.sqrt(12);
  const block = new Uint16Array(SCALES);
  for (let index = 0; index < SCALES; index++) {
    // The golden ratio's multiples, spread over [0.5, 1.5): the same for scales and the biases that go with them.
    const spread = 0.5 + ((index * 0.618033988749895) % 1);
    const scale = spread / (deviation * Math.sqrt(columns));
    block[index] = bfloat16(fill === "one" ? 1 : fill === "scale" ? scale : -mean * scale);
  }
  return new Uint8Array(block.buffer);
}

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** The upper half of a float32, rounded to nearest. */
function bfloat16(value: number): number {
  float[0] = value;
  return ((word[0] as number) + 0x8000) >>> 16;
}
