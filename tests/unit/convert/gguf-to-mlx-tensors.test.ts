import { describe, expect, it } from "vitest";
import {
  type QuantizedTypeName,
  repackBlocks,
  ropeSourceRow,
  unpermuteRows,
} from "../../../src/convert/gguf/gguf-to-mlx-tensors.js";
import { isFiniteHalf, negatedHalfTimesPowerOfTwo } from "../../../src/convert/gguf/half.js";
import { dequantizeGroups, halfToNumber } from "./dequantize.js";

const HALF_OF_1_5 = 0x3e00;
const HALF_OF_MINUS_2 = 0xc000;

const half = (bits: number) => [bits & 0xff, bits >> 8];
const bytes = (length: number, of: (index: number) => number) => Array.from({ length }, (_, index) => of(index) & 0xff);

/** A block whose quantized values are 0…15 and then 15…0. */
const NIBBLES = bytes(16, (index) => index | ((15 - index) << 4));
const NIBBLE_VALUES = [...bytes(16, (index) => index), ...bytes(16, (index) => 15 - index)];

describe("half arithmetic", () => {
  it.each([3, 7])("-x * 2^%d is exact for every float16, or infinite", (log2) => {
    for (let bits = 0; bits < 0x10000; bits++) {
      if (!isFiniteHalf(bits)) continue;
      const exact = -halfToNumber(bits) * 2 ** log2;
      const expected = Math.abs(exact) > 65504 ? Math.sign(exact) * Number.POSITIVE_INFINITY : exact;
      const found = halfToNumber(negatedHalfTimesPowerOfTwo(bits, log2));
      if (!Object.is(found, expected)) expect.fail(`${bits}: ${found}, expected ${expected}`);
    }
  });
});

describe("repackBlocks", () => {
  it.each<[QuantizedTypeName, number[], 4 | 8, number[]]>([
    ["Q4_0", [...half(HALF_OF_1_5), ...NIBBLES], 4, NIBBLE_VALUES.map((q) => 1.5 * (q - 8))],
    ["Q4_1", [...half(HALF_OF_1_5), ...half(HALF_OF_MINUS_2), ...NIBBLES], 4, NIBBLE_VALUES.map((q) => 1.5 * q - 2)],
    [
      "Q8_0",
      [...half(HALF_OF_1_5), ...bytes(32, (index) => 8 * index - 128)],
      8,
      bytes(32, (index) => index).map((index) => 1.5 * (8 * index - 128)),
    ],
  ])("%s keeps every value and its place", (type, block, bits, values) => {
    const groups = repackBlocks(Uint8Array.from([...block, ...block]), type, "t");
    expect([...dequantizeGroups(groups, bits)]).toEqual([...values, ...values]);
  });

  it.each<[string, QuantizedTypeName, number[]]>([
    ["an infinite scale", "Q8_0", [0x00, 0x7c]],
    ["a scale that is NaN", "Q4_0", [0x01, 0x7e]],
    ["a minimum that is NaN", "Q4_1", [0x00, 0x3c, 0xff, 0xff]],
  ])("is MODEL_CORRUPT with %s", (_, type, start) => {
    const source = Uint8Array.from([...start, ...bytes(34, () => 0)]);
    const expected = expect.objectContaining({ code: "MODEL_CORRUPT", message: expect.stringContaining("'blk.7'") });
    expect(() => repackBlocks(source, type, "blk.7")).toThrow(expected);
  });

  it("is MODEL_UNSUPPORTED with a scale whose bias overflows", () => {
    const source = Uint8Array.from([...half(0x6000), ...bytes(32, () => 0)]); // 512
    const expected = expect.objectContaining({ code: "MODEL_UNSUPPORTED", message: expect.stringContaining("'t'") });
    expect(() => repackBlocks(source, "Q8_0", "t")).toThrow(expected);
  });
});

describe("the rows of q and k", () => {
  it.each([2, 4, 64, 80])("come back to the two halves of each head of %d rows", (headDim) => {
    const heads = 3;
    // llama.cpp's order: pairs of (first half, second half).
    const stored: number[] = [];
    for (let head = 0; head < heads; head++) {
      for (let pair = 0; pair < headDim / 2; pair++) {
        stored.push(head * headDim + pair, head * headDim + headDim / 2 + pair);
      }
    }
    const found = bytes(heads * headDim, (row) => stored[ropeSourceRow(row, headDim)] ?? -1);
    expect(found).toEqual(bytes(heads * headDim, (row) => row));
  });

  it("move whole", () => {
    const rows = Uint8Array.from([0, 1, 20, 21, 10, 11, 30, 31]);
    expect([...unpermuteRows(rows, 2, 4)]).toEqual([0, 1, 10, 11, 20, 21, 30, 31]);
  });
});
