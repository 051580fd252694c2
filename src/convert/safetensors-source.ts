/** The tensors of a model directory: a Hugging Face one, or one in MLX's form, quantized or not. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { PunieError } from "../errors.js";
import { readWeights } from "../models/weights.js";
import type { FloatDtype, Quantization, TensorDtype } from "../native/binding-types.js";
import { columnsOf, isFloat, type ModelTensor, mismatch, moduleOf, rowsOf, type StoredTensor } from "./model-tensor.js";

/** How config.json says that a module is packed; undefined where it says nothing of use. */
export type PackedAs = (path: string) => Quantization | undefined;

/** An open model directory's weights. Whoever opens it closes it. */
export class SafetensorsSource {
  readonly #files: FileHandle[];
  readonly tensors: ModelTensor[];

  private constructor(files: FileHandle[], tensors: ModelTensor[]) {
    this.#files = files;
    this.tensors = tensors;
  }

  /** @throws PunieError `MODEL_CORRUPT`, `MODEL_UNSUPPORTED`, `WEIGHTS_MISMATCH` */
  static async open(directory: string, packedAs: PackedAs): Promise<SafetensorsSource> {
    const weights = await readWeights(directory);
    const files: FileHandle[] = [];
    try {
      for (const { path } of weights.files) files.push(await open(path, constants.O_RDONLY));
      const stored = weights.tensors.map((tensor) => {
        const { path } = weights.files[tensor.file] as { path: string };
        return storedTensor(tensor, files[tensor.file] as FileHandle, path);
      });
      return new SafetensorsSource(files, modelTensors(stored, packedAs, directory));
    } catch (error) {
      await closeAll(files);
      throw error;
    }
  }

  async close(): Promise<void> {
    await closeAll(this.#files);
  }
}

async function closeAll(files: readonly FileHandle[]): Promise<void> {
  await Promise.all(files.map((file) => file.close()));
}

interface Placed {
  name: string;
  dtype: TensorDtype;
  shape: number[];
  offset: number;
  bytes: number;
}

function storedTensor({ name, dtype, shape, offset, bytes }: Placed, file: FileHandle, path: string): StoredTensor {
  const read = async (target: Uint8Array, from: number) => {
    let filled = 0;
    while (filled < target.byteLength) {
      const { bytesRead } = await file.read(target, filled, target.byteLength - filled, offset + from + filled);
      if (bytesRead === 0) throw new PunieError("MODEL_CORRUPT", `${path}: became shorter while '${name}' was read.`);
      filled += bytesRead;
    }
  };
  return { name, dtype, shape, bytes, read };
}

/** Puts packed weights together with their scales and biases. */
function modelTensors(stored: readonly StoredTensor[], packedAs: PackedAs, place: string): ModelTensor[] {
  const byName = new Map(stored.map((tensor) => [tensor.name, tensor]));
  const tensors: ModelTensor[] = [];
  const odd: string[] = [];
  for (const tensor of stored) {
    const { name, dtype, shape } = tensor;
    const module = moduleOf(name);
    const scales = byName.get(`${module}.scales`);
    if (scales && name === `${module}.weight`) {
      tensors.push(packedTensor(tensor, scales, byName.get(`${module}.biases`), packedAs(module), place));
    } else if (scales && /\.(scales|biases)$/.test(name) && byName.has(`${module}.weight`)) {
      // Came with its weight.
    } else if (isFloat(dtype)) {
      const rows = [{ data: tensor, first: 0, count: rowsOf(shape) }];
      tensors.push({ name, shape, encoding: { kind: "float", dtype }, rows });
    } else odd.push(name);
  }
  if (odd.length > 0) throw mismatch(place, "expected F32, F16 or BF16, or MLX's packed weights, for", odd.sort());
  return tensors;
}

function packedTensor(
  weight: StoredTensor,
  scales: StoredTensor,
  biases: StoredTensor | undefined,
  stated: Quantization | undefined,
  place: string,
): ModelTensor {
  const { name, shape } = weight;
  const affine = scales.dtype !== "U8";
  const words = columnsOf(shape);
  const groups = columnsOf(scales.shape);
  const fits = ({ bits, groupSize }: Quantization) => words * 32 === groups * groupSize * bits;
  const wrong = (what: string) => mismatch(place, what, [name]);
  if (weight.dtype !== "U32" || rowsOf(scales.shape) !== rowsOf(shape)) {
    throw wrong("a weight with scales must be U32, and its scales have as many rows");
  }
  const quantization = stated && (stated.mode === "affine") === affine && fits(stated) ? stated : undefined;
  if (!quantization) throw wrong("config.json's quantization does not fit the shapes of");
  if (affine && (!isFloat(scales.dtype) || biases?.dtype !== scales.dtype || biases.bytes !== scales.bytes)) {
    throw wrong("affine scales must be floats and have biases like them, for");
  }
  const rows = [{ data: weight, scales, biases: affine ? biases : undefined, first: 0, count: rowsOf(shape) }];
  // The values that mlx-lm makes of the modes without a type of their own are bfloat16.
  const dtype: FloatDtype = isFloat(scales.dtype) ? scales.dtype : "BF16";
  const values = [...shape.slice(0, -1), groups * quantization.groupSize];
  return { name, shape: values, encoding: { kind: "packed", quantization, dtype }, rows };
}
