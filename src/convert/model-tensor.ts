/** A tensor on its way from one form of a model to another: where its rows lie, and how they are encoded there. */
import { PunieError } from "../errors.js";
import type { FloatDtype, GgmlTypeName, Quantization, TensorDtype } from "../native/binding-types.js";
import type { LayerChange } from "./fuse-adapter.js";

/** A tensor of an open file. */
export interface StoredTensor {
  name: string;
  dtype: TensorDtype | GgmlTypeName;
  /** As the file has it: packed words where it is quantized by MLX. */
  shape: number[];
  bytes: number;
  /** Fills `target` with the tensor's bytes from `offset` on. */
  read(target: Uint8Array, offset: number): Promise<void>;
}

/** How the rows of a tensor are encoded. */
export type Encoding =
  | { kind: "float"; dtype: FloatDtype }
  /** MLX's quantized form; `dtype` is that of affine scales and biases. */
  | { kind: "packed"; quantization: Quantization; dtype: FloatDtype }
  /** GGUF's blocks; their values are float32. */
  | { kind: "ggml"; type: GgmlTypeName; blockValues: number; blockBytes: number; dtype: "F32" };

/** Rows `first` to `first + count` of a stored matrix, in the sense of `rowsOf`. */
export interface StoredRows {
  data: StoredTensor;
  /** Of packed rows; biases only with the affine mode. */
  scales?: StoredTensor | undefined;
  biases?: StoredTensor | undefined;
  first: number;
  count: number;
}

export interface ModelTensor {
  /** The checkpoint's, `.weight` included. */
  name: string;
  /** Of its values: outputs and inputs of a layer, however they are packed. */
  shape: number[];
  encoding: Encoding;
  /** One after another they are the whole tensor. */
  rows: StoredRows[];
  /** One is added to every value, in the tensor's own type. */
  addOne?: boolean;
  /** What an adapter adds. */
  change?: LayerChange;
}

/** Rows are counted over all axes but the last, which is a row's length; a vector is one row. */
export function rowsOf(shape: readonly number[]): number {
  return shape.slice(0, -1).reduce((product, size) => product * size, 1);
}

export function columnsOf(shape: readonly number[]): number {
  return shape.at(-1) ?? 1;
}

/** `model.layers.0.mlp.up_proj` of `model.layers.0.mlp.up_proj.weight`. */
export function moduleOf(name: string): string {
  return name.slice(0, name.lastIndexOf("."));
}

export function memberOf(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

const FLOAT_BYTES: Record<FloatDtype, number> = { F32: 4, F16: 2, BF16: 2 };

export function floatBytes(dtype: FloatDtype): number {
  return FLOAT_BYTES[dtype];
}

export function isFloat(dtype: string): dtype is FloatDtype {
  return Object.hasOwn(FLOAT_BYTES, dtype);
}

const MOST_NAMED = 5;

/** `WEIGHTS_MISMATCH` that names up to five of the tensors at fault. */
export function mismatch(place: string, what: string, names: readonly string[]): PunieError {
  const named = names.slice(0, MOST_NAMED).map((name) => `'${name}'`);
  const more = names.length > MOST_NAMED ? `, and ${names.length - MOST_NAMED} more` : "";
  return new PunieError("WEIGHTS_MISMATCH", `${place}: ${what}: ${named.join(", ")}${more}.`);
}
