/** Float values of what the importer writes, straight from the definitions: the tests' own reference. */

/** Rows of one matrix: scales and biases are the bits of float16. */
export interface MlxGroups {
  weight: Uint8Array;
  scales: Uint16Array;
  biases: Uint16Array;
}

const GROUP_SIZE = 32;

export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** MLX affine: `scale * q + bias`, q packed from the lowest bits up; each step rounded to float32. */
export function dequantizeGroups({ weight, scales, biases }: MlxGroups, bits: number): Float32Array {
  const values = new Float32Array((weight.byteLength * 8) / bits);
  for (let index = 0; index < values.length; index++) {
    const at = index * bits;
    const two = (weight[at >> 3] ?? 0) | ((weight[(at >> 3) + 1] ?? 0) << 8);
    const q = (two >>> (at & 7)) & (2 ** bits - 1);
    const group = Math.floor(index / GROUP_SIZE);
    values[index] = Math.fround(halfToNumber(scales[group] ?? 0) * q) + halfToNumber(biases[group] ?? 0);
  }
  return values;
}

/** Values of an F32, F16 or BF16 tensor. */
export function readFloats(bytes: Uint8Array, dtype: string): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = dtype === "F32" ? 4 : 2;
  const read = (offset: number) => {
    if (dtype === "F32") return view.getFloat32(offset, true);
    const bits = view.getUint16(offset, true);
    if (dtype === "F16") return halfToNumber(bits);
    return new Float32Array(Uint32Array.of(bits * 0x10000).buffer)[0] ?? 0;
  };
  return Float32Array.from({ length: bytes.byteLength / size }, (_, index) => read(index * size));
}
