/**
 * Element types of GGUF tensors: ids and block sizes as in GGML's public format description
 * (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
 */

import type { FloatDtype, GgmlTypeName } from "../../native/binding-types.js";

export interface GgmlType {
  name: FloatDtype | GgmlTypeName;
  /** Values per block. */
  blockValues: number;
  /** Bytes per block. */
  blockBytes: number;
}

/** Types that can be imported: floats as they are, blocks of 32 without loss, the K types with some. */
const PORTABLE_TYPES: Readonly<Record<number, GgmlType>> = {
  0: { name: "F32", blockValues: 1, blockBytes: 4 },
  1: { name: "F16", blockValues: 1, blockBytes: 2 },
  2: { name: "Q4_0", blockValues: 32, blockBytes: 18 },
  3: { name: "Q4_1", blockValues: 32, blockBytes: 20 },
  6: { name: "Q5_0", blockValues: 32, blockBytes: 22 },
  7: { name: "Q5_1", blockValues: 32, blockBytes: 24 },
  8: { name: "Q8_0", blockValues: 32, blockBytes: 34 },
  10: { name: "Q2_K", blockValues: 256, blockBytes: 84 },
  11: { name: "Q3_K", blockValues: 256, blockBytes: 110 },
  12: { name: "Q4_K", blockValues: 256, blockBytes: 144 },
  13: { name: "Q5_K", blockValues: 256, blockBytes: 176 },
  14: { name: "Q6_K", blockValues: 256, blockBytes: 210 },
  30: { name: "BF16", blockValues: 1, blockBytes: 2 },
};

/** Bits that a type's values have in MLX's affine groups of 32. */
export const CARRIED_BITS: Readonly<Record<GgmlTypeName, number>> = {
  Q4_0: 4,
  Q4_1: 4,
  Q4_K: 4,
  Q5_0: 5,
  Q5_1: 5,
  Q5_K: 5,
  Q2_K: 6,
  Q3_K: 6,
  Q6_K: 8,
  Q8_0: 8,
};

export function isQuantizedType(name: GgmlType["name"]): name is GgmlTypeName {
  return Object.hasOwn(CARRIED_BITS, name);
}

/** Names of the types that can't be carried over, so that an error can say which one it met. */
const OTHER_TYPE_NAMES: Readonly<Record<number, string>> = {
  9: "Q8_1",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  20: "IQ4_NL",
  21: "IQ3_S",
  22: "IQ2_S",
  23: "IQ4_XS",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  28: "F64",
  29: "IQ1_M",
  34: "TQ1_0",
  35: "TQ2_0",
  39: "MXFP4",
};

export const PORTABLE_TYPE_LIST = Object.values(PORTABLE_TYPES)
  .map((type) => type.name)
  .join(", ");

/** The portable type with this id, or undefined. */
export function portableType(id: number): GgmlType | undefined {
  return PORTABLE_TYPES[id];
}

/** A name for any type id, for messages. */
export function typeName(id: number): string {
  return PORTABLE_TYPES[id]?.name ?? OTHER_TYPE_NAMES[id] ?? `type ${id}`;
}
