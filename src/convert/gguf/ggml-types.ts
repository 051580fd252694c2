/**
 * Element types of GGUF tensors: ids and block sizes as in GGML's public format description
 * (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
 */

/** A type that can be carried over without loss: stored as it is, or as MLX affine groups of 32. */
export type PortableTypeName = "F32" | "F16" | "BF16" | "Q4_0" | "Q4_1" | "Q8_0";

export interface GgmlType {
  name: PortableTypeName;
  /** Values per block. */
  blockValues: number;
  /** Bytes per block. */
  blockBytes: number;
}

const PORTABLE_TYPES: Readonly<Record<number, GgmlType>> = {
  0: { name: "F32", blockValues: 1, blockBytes: 4 },
  1: { name: "F16", blockValues: 1, blockBytes: 2 },
  2: { name: "Q4_0", blockValues: 32, blockBytes: 18 },
  3: { name: "Q4_1", blockValues: 32, blockBytes: 20 },
  8: { name: "Q8_0", blockValues: 32, blockBytes: 34 },
  30: { name: "BF16", blockValues: 1, blockBytes: 2 },
};

/** Names of the types that can't be carried over, so that an error can say which one it met. */
const OTHER_TYPE_NAMES: Readonly<Record<number, string>> = {
  6: "Q5_0",
  7: "Q5_1",
  9: "Q8_1",
  10: "Q2_K",
  11: "Q3_K",
  12: "Q4_K",
  13: "Q5_K",
  14: "Q6_K",
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
