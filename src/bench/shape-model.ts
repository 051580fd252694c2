/** Writes a model of a given shape whose weights mean nothing: as fast to run as a real one, and there at once. */
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Quantization } from "../convert/quantization-choice.js";
import { SafetensorsWriter, tensorBytes } from "../convert/safetensors-writer.js";
import { PunieError } from "../errors.js";
import { isRunning } from "../models/running-process.js";
import { Fillings } from "./fillings.js";
import { DEFAULT_QUANTIZATION, type Shape, type ShapeTensor, shapeConfig, shapeTensors } from "./shapes.js";

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
  quantization?: Quantization;
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
