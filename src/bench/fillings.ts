/** The bytes of made-up weights, such that activations, and so the logits, stay finite. */
import { randomFillSync } from "node:crypto";
import type { Quantization, QuantizationMode } from "../convert/quantization-choice.js";
import type { ShapeTensor } from "./shapes.js";

type FloatMode = Exclude<QuantizationMode, "affine">;

/** No multiple of a row's bytes, so that rows differ. */
const BLOCK_BYTES = 16 * 2 ** 20 + 4 * 1009;
const SCALES = 2 ** 16;

/** Blocks of bytes that tensors are tiled with: making each of billions of weights up would take minutes. */
export class Fillings {
  readonly #blocks = new Map<string, Uint8Array>();

  of(tensor: ShapeTensor): Uint8Array {
    const key = keyOf(tensor);
    let block = this.#blocks.get(key);
    if (block === undefined) {
      block = makeBlock(tensor);
      this.#blocks.set(key, block);
    }
    return block;
  }
}

function keyOf(tensor: ShapeTensor): string {
  if (!("quantization" in tensor)) return tensor.fill;
  const { fill, columns, quantization } = tensor;
  const { mode, bits } = quantization;
  return fill === "weight" ? `weight ${mode === "mxfp8"}` : `${fill} ${columns} ${mode} ${bits}`;
}

function makeBlock(tensor: ShapeTensor): Uint8Array {
  if (!("quantization" in tensor)) return floats(() => (tensor.fill === "one" ? 1 : 0));
  const { fill, columns, quantization } = tensor;
  if (fill === "weight") return randomCodes(quantization);
  const { mode, bits } = quantization;
  if (mode !== "affine")
    return Uint8Array.from({ length: SCALES }, (_, i) => scaleByte(mode, scaleOf(i, columns, RMS[mode])));
  // Of a uniform value of so many bits: with the bias at minus so many scales as its mean, weights are around 0.
  const mean = (2 ** bits - 1) / 2;
  const deviation = 2 ** bits / Math.sqrt(12);
  const factor = fill === "scale" ? 1 : -mean;
  return floats((i) => factor * scaleOf(i, columns, deviation));
}

/** Weights of a linear layer get the variance 1/columns; `deviation` is that of what the scale multiplies. */
function scaleOf(index: number, columns: number, deviation: number): number {
  // The golden ratio's multiples, spread over [0.5, 1.5): the same for scales and the biases that go with them.
  const spread = 0.5 + ((index * 0.618033988749895) % 1);
  return spread / (deviation * Math.sqrt(columns));
}

function floats(valueAt: (index: number) => number): Uint8Array {
  return new Uint8Array(Uint16Array.from({ length: SCALES }, (_, index) => bfloat16(valueAt(index))).buffer);
}

function randomCodes({ mode }: Quantization): Uint8Array {
  const block = randomFillSync(new Uint8Array(BLOCK_BYTES));
  // E4M3's NaN has all bits set but the sign.
  if (mode === "mxfp8") for (let i = 0; i < block.length; i++) block[i] = (block[i] as number) & 0xfe;
  return block;
}

/** A small float without sign: an exponent, and under it a fraction of so many bits. */
function smallFloat(code: number, fractionBits: number, bias: number): number {
  const exponent = code >> fractionBits;
  const fraction = (code & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  return exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias);
}

const E2M1 = Array.from({ length: 8 }, (_, code) => smallFloat(code, 1, 1));
const E4M3 = Array.from({ length: 127 }, (_, code) => smallFloat(code, 3, 7));

const RMS: Record<FloatMode, number> = {
  mxfp4: rootMeanSquare(E2M1),
  mxfp8: rootMeanSquare(E4M3.filter((_, code) => code % 2 === 0)),
  nvfp4: rootMeanSquare(E2M1),
};

function rootMeanSquare(values: readonly number[]): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}

/** The nearest scale there is: E4M3 for nvfp4, else a power of two. */
function scaleByte(mode: FloatMode, scale: number): number {
  if (mode !== "nvfp4") return 127 + Math.round(Math.log2(scale));
  const above = E4M3.findIndex((value) => value >= scale);
  return Math.max(1, scale - (E4M3[above - 1] ?? 0) < (E4M3[above] ?? 0) - scale ? above - 1 : above);
}

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** The upper half of a float32, rounded to nearest. */
function bfloat16(value: number): number {
  float[0] = value;
  return ((word[0] as number) + 0x8000) >>> 16;
}
