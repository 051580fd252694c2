/**
 * GGML's blocks of 32 as MLX affine groups of 32, without loss. In MLX a value is `scale * q + bias`, q unsigned and
 * packed into uint32 from the lowest bits up; scales and biases are float16 here, as the blocks have them:
 *
 * | type | block                     | value          | MLX                            |
 * |------|---------------------------|----------------|--------------------------------|
 * | Q4_0 | d, 16 bytes of nibbles    | d * (q - 8)    | 4 bits, scale d, bias -8 d     |
 * | Q4_1 | d, m, 16 bytes of nibbles | d * q + m      | 4 bits, scale d, bias m        |
 * | Q8_0 | d, 32 signed bytes        | d * q          | 8 bits, q + 128, bias -128 d   |
 *
 * The factors are powers of two, so that the bias is exact unless it overflows, which is refused.
 */

import { PunieError } from "../../errors.js";
import { isFiniteHalf, negatedHalfTimesPowerOfTwo } from "./half.js";

export const GROUP_SIZE = 32;

export type QuantizedTypeName = "Q4_0" | "Q4_1" | "Q8_0";

/** Rows of one matrix. Sizes per block: `weight` 16 or 32 bytes, one scale and one bias (float16 bits). */
export interface MlxGroups {
  weight: Uint8Array;
  scales: Uint16Array;
  biases: Uint16Array;
}

/** Bits per value in MLX. */
export const MLX_BITS: Readonly<Record<QuantizedTypeName, 4 | 8>> = { Q4_0: 4, Q4_1: 4, Q8_0: 8 };

const NIBBLE_BYTES = 16;
const LOG2_OFFSET = { Q4_0: 3, Q8_0: 7 } as const;

/**
 * @param source whole blocks of `type`
 * @param name the tensor's, for messages
 * @throws MODEL_CORRUPT for a scale that isn't finite, MODEL_UNSUPPORTED for one whose bias float16 can't hold
 */
export function repackBlocks(source: Uint8Array, type: QuantizedTypeName, name: string): MlxGroups {
  switch (type) {
    case "Q4_0":
      return repack(source, 2, NIBBLE_BYTES, name, {
        bias: (d) => shiftedBias(d, LOG2_OFFSET.Q4_0, name),
        copy: copyNibbles,
      });
    case "Q4_1":
      return repack(source, 4, NIBBLE_BYTES, name, { copy: copyNibbles });
    case "Q8_0":
      return repack(source, 2, GROUP_SIZE, name, {
        bias: (d) => shiftedBias(d, LOG2_OFFSET.Q8_0, name),
        copy: copySignedBytes,
      });
  }
}

interface BlockRule {
  /** Makes the bias of the scale; without it the block carries its own, after the scale. */
  bias?: (scale: number) => number;
  copy: (source: Uint8Array, from: number, target: Uint8Array, to: number) => void;
}

function repack(source: Uint8Array, headBytes: number, dataBytes: number, name: string, rule: BlockRule): MlxGroups {
  const blockBytes = headBytes + dataBytes;
  const blocks = source.byteLength / blockBytes;
  const weight = new Uint8Array(blocks * dataBytes);
  const scales = new Uint16Array(blocks);
  const biases = new Uint16Array(blocks);
  for (let block = 0; block < blocks; block++) {
    const start = block * blockBytes;
    const scale = finiteHalfAt(source, start, name);
    scales[block] = scale;
    biases[block] = rule.bias ? rule.bias(scale) : finiteHalfAt(source, start + 2, name);
    rule.copy(source, start + headBytes, weight, block * dataBytes);
  }
  return { weight, scales, biases };
}

/** GGML has values 0–15 in the low nibbles and 16–31 in the high ones; MLX has neighbours in one byte. */
function copyNibbles(source: Uint8Array, from: number, target: Uint8Array, to: number): void {
  for (let pair = 0; pair < NIBBLE_BYTES / 2; pair++) {
    const first = source[from + 2 * pair] ?? 0;
    const second = source[from + 2 * pair + 1] ?? 0;
    target[to + pair] = (first & 0x0f) | ((second & 0x0f) << 4);
    target[to + NIBBLE_BYTES / 2 + pair] = (first >> 4) | (second & 0xf0);
  }
}

/** Adding 128 to a signed byte flips its top bit. */
function copySignedBytes(source: Uint8Array, from: number, target: Uint8Array, to: number): void {
  for (let index = 0; index < GROUP_SIZE; index++) target[to + index] = (source[from + index] ?? 0) ^ 0x80;
}

function finiteHalfAt(source: Uint8Array, offset: number, name: string): number {
  const bits = (source[offset] ?? 0) | ((source[offset + 1] ?? 0) << 8);
  if (!isFiniteHalf(bits)) {
    throw new PunieError("MODEL_CORRUPT", `Tensor '${name}' has a scale that is not a finite number.`);
  }
  return bits;
}

function shiftedBias(scale: number, log2: number, name: string): number {
  const bias = negatedHalfTimesPowerOfTwo(scale, log2);
  if (!isFiniteHalf(bias)) {
    throw new PunieError(
      "MODEL_UNSUPPORTED",
      `Tensor '${name}' has a scale so large that float16 can't hold its bias.`,
    );
  }
  return bias;
}

/**
 * The row of a GGUF `attn_q` or `attn_k` that is row `row` in the Hugging Face layout. llama.cpp interleaves the two
 * halves of each head, so that RoPE turns neighbours: row 2 i + s of a head there is row s * headDim / 2 + i here.
 */
export function ropeSourceRow(row: number, headDim: number): number {
  const within = row % headDim;
  const half = headDim / 2;
  return row - within + 2 * (within % half) + (within < half ? 0 : 1);
}

/** Undoes llama.cpp's order of the rows of whole heads. */
export function unpermuteRows(source: Uint8Array, rowBytes: number, headDim: number): Uint8Array {
  const target = new Uint8Array(source.byteLength);
  for (let row = 0; row * rowBytes < source.byteLength; row++) {
    const from = ropeSourceRow(row, headDim) * rowBytes;
    target.set(source.subarray(from, from + rowBytes), row * rowBytes);
  }
  return target;
}
