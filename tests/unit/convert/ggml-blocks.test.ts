import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { inHuggingFaceOrder, ropeSourceRow } from "../../../src/convert/gguf/row-order.js";
import type { StoredTensor } from "../../../src/convert/model-tensor.js";
import { loadBinding } from "../../../src/native/binding.js";
import type { GgmlTypeName } from "../../../src/native/binding-types.js";
import { dequantizeGroups } from "./dequantize.js";

interface Row {
  columns: number;
  blocks: string;
  sha256: string;
}

const rows = Object.entries<Row>(
  JSON.parse(await readFile(new URL("../../fixtures/gguf/blocks.json", import.meta.url), "utf8")),
) as [GgmlTypeName, Row][];
const binding = loadBinding();
const bytesOf = ({ blocks }: Row) => new Uint8Array(Buffer.from(blocks, "base64"));

/** Of the values, where -0 counts as 0. */
const sha256Of = (values: Float32Array) =>
  createHash("sha256")
    .update(values.map((value) => value + 0))
    .digest("hex");

async function valuesOf(type: GgmlTypeName, row: Row): Promise<Float32Array> {
  const rows = { data: bytesOf(row), columns: row.columns, dtype: "F32", ggml: type, cast: "F32" } as const;
  return new Float32Array((await binding.convertRows(rows)).data.buffer);
}

async function carriedValues(type: GgmlTypeName, row: Row) {
  const carried = await binding.carryGgmlRows({ data: bytesOf(row), columns: row.columns, ggml: type });
  const halves = ({ buffer }: Uint8Array<ArrayBuffer>) => new Uint16Array(buffer);
  const groups = { weight: carried.data, scales: halves(carried.scales), biases: halves(carried.biases) };
  const bits = carried.data.byteLength / (4 * groups.scales.length);
  return { ...carried, bits, values: dequantizeGroups(groups, bits) };
}

describe("a block of GGUF", () => {
  it.each(rows)("%s is read as Python's gguf reads it", async (type, row) => {
    expect(sha256Of(await valuesOf(type, row))).toBe(row.sha256);
  });

  const exact = rows.filter(([type]) => !type.endsWith("_K"));
  it.each(exact)("%s is carried over without any loss", async (type, row) => {
    const { values, errorSquares, valueSquares } = await carriedValues(type, row);
    expect(sha256Of(values)).toBe(row.sha256);
    expect([errorSquares, valueSquares]).toEqual([0, 0]);
  });

  // These blocks are random, and neighbouring scales of 16 values differ as they don't in a model: the worst case.
  const most: Partial<Record<GgmlTypeName, [bits: number, error: number]>> = {
    Q4_K: [4, 3e-4],
    Q5_K: [5, 3e-4],
    Q2_K: [6, 1.5e-2],
    Q3_K: [6, 1.5e-2],
    Q6_K: [8, 6e-3],
  };
  it.each(rows.filter(([type]) => type.endsWith("_K")))(
    "%s is carried over with the loss that is told",
    async (type, row) => {
      const exact = await valuesOf(type, row);
      const { values, bits, errorSquares, valueSquares } = await carriedValues(type, row);
      const square = (sum: number, value: number) => sum + value * value;
      const error = values.map((value, i) => value - (exact[i] ?? 0)).reduce(square, 0);
      expect(errorSquares / error).toBeCloseTo(1, 3);
      expect(valueSquares / exact.reduce(square, 0)).toBeCloseTo(1, 5);
      const [expectedBits, limit] = most[type] ?? [0, 0];
      expect(bits).toBe(expectedBits);
      expect(Math.sqrt(errorSquares / valueSquares)).toBeLessThan(limit);
    },
  );

  const q8 = (scale: number) => Uint8Array.from([scale & 255, scale >> 8, ...Array(32).fill(1)]);
  it.each<[string, string, string, Uint8Array, GgmlTypeName]>([
    ["an infinite scale", "MODEL_CORRUPT", "not a finite number", q8(0x7c00), "Q8_0"],
    ["a scale that is NaN", "MODEL_CORRUPT", "not a finite number", q8(0x7e01), "Q8_0"],
    ["a scale whose bias float16 can't hold", "MODEL_UNSUPPORTED", "so large", q8(0x6000), "Q8_0"],
    ["a K scale that is NaN", "MODEL_CORRUPT", "not a finite number", new Uint8Array(210).fill(0x7e), "Q6_K"],
    ["half a block", "INVALID_OPTION", "whole rows", q8(0x3c00).subarray(0, 20), "Q8_0"],
  ])("with %s is %s", async (_, code, cause, data, ggml) => {
    const columns = ggml === "Q8_0" ? 32 : 256;
    const expected = { code, message: expect.stringContaining(cause) };
    await expect(binding.carryGgmlRows({ data, columns, ggml })).rejects.toMatchObject(expected);
  });
});

describe("the rows of q and k", () => {
  /** The row of each place in llama.cpp's order: pairs of (first half, second half). */
  function llamaCppRows(heads: number, headDim: number): number[] {
    return Array.from({ length: heads * headDim }, (_, row) => {
      const within = row % headDim;
      return row - within + (within % 2) * (headDim / 2) + Math.floor(within / 2);
    });
  }

  it.each([2, 4, 64, 80])("come back to the two halves of each head of %d rows", (headDim) => {
    const stored = llamaCppRows(3, headDim);
    const found = stored.map((_, row) => stored[ropeSourceRow(row, headDim)]);
    expect(found).toEqual(stored.map((_, row) => row));
  });

  it("come in Hugging Face's order wherever one begins to read", async () => {
    const [headDim, rowBytes] = [8, 3];
    const bytes = Uint8Array.from(llamaCppRows(4, headDim).flatMap((row) => [row, 100 + row, 200]));
    const tensor: StoredTensor = {
      name: "q",
      dtype: "Q8_0",
      shape: [32, 3],
      bytes: bytes.byteLength,
      read: async (target, offset) => target.set(bytes.subarray(offset, offset + target.byteLength)),
    };
    const ordered = inHuggingFaceOrder(tensor, rowBytes, headDim);
    for (const [first, count] of [
      [0, 32],
      [0, 1],
      [5, 6],
      [8, 8],
      [15, 17],
    ] as const) {
      const target = new Uint8Array(count * rowBytes);
      await ordered.read(target, first * rowBytes);
      const expected = Array.from({ length: count }, (_, i) => [first + i, 100 + first + i, 200]);
      expect([...target]).toEqual(expected.flat());
    }
  });
});
