import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { loadBinding } from "../../../src/native/binding.js";
import type { FloatDtype, Quantization } from "../../../src/native/binding-types.js";
import { hashOfText, word } from "../../helpers/random-checkpoint.js";

interface Row {
  dtype: FloatDtype;
  kind: "any" | "close" | "halfway" | "subnormal";
  quantize: Quantization;
  /** Twelve digits of a hash. */
  data: string;
  scales: string;
}

const golden: { rows: Row[] } = JSON.parse(
  await readFile(new URL("../../fixtures/goldens/small-floats.golden.json", import.meta.url), "utf8"),
);
const binding = loadBinding();
const COLUMNS = 64;
const COUNT = 256 * COLUMNS;
const TYPES = { BF16: [16, 7, 8], F16: [16, 10, 5], F32: [32, 23, 8] } as const;

/** As in scripts/goldens/rounding.py. */
function floats(dtype: FloatDtype, kind: Row["kind"]): Uint8Array {
  const [bits, fractionBits, exponentBits] = TYPES[dtype];
  const top = 2 ** exponentBits - 1;
  const values = bits === 16 ? new Uint16Array(COUNT) : new Uint32Array(COUNT);
  const base = hashOfText(`1/${dtype}/${kind}`);
  const groups = hashOfText(`1/${dtype}/${kind}/groups`);
  for (let i = 0; i < COUNT; i++) {
    if (Math.floor(i / 32) % 7 === 6) continue;
    const hash = word(base, i);
    const raw = hash >>> (32 - bits);
    let exponent = (raw >>> fractionBits) & top;
    let fraction = raw & (2 ** fractionBits - 1);
    if (kind === "any") exponent -= exponent === top ? 1 : 0;
    else if (kind === "subnormal") exponent = 0;
    else exponent = Math.max((word(groups, Math.floor(i / 16)) % top) - (hash & 3), 0);
    if (kind === "halfway") fraction &= 7 << (fractionBits - 3);
    values[i] = (raw >>> (bits - 1)) * 2 ** (bits - 1) + exponent * 2 ** fractionBits + fraction;
  }
  return new Uint8Array(values.buffer);
}

const digest = (bytes: Uint8Array | undefined) =>
  createHash("sha256")
    .update(bytes ?? "")
    .digest("hex")
    .slice(0, 12);

describe("rows in the modes of small floats are those of MLX to the bit", () => {
  it.each(golden.rows)("$dtype, $kind, $quantize.mode", async ({ dtype, kind, quantize, data, scales }) => {
    const rows = await binding.convertRows({
      data: floats(dtype, kind),
      columns: COLUMNS,
      dtype,
      cast: dtype,
      quantize,
    });
    expect({ data: digest(rows.data), scales: digest(rows.scales) }).toEqual({ data, scales });
  });

  it.each([
    ["BF16", 0x7f80],
    ["BF16", 0xffc0],
    ["F16", 0x7c00],
    ["F16", 0xfe01],
    ["F32", 0x7f800000],
    ["F32", 0xffc00001],
  ] as const)("%s that has the bits %i is no finite number, and refused", async (dtype, bits) => {
    for (const quantize of [
      { mode: "mxfp4", bits: 4, groupSize: 32 },
      { mode: "mxfp8", bits: 8, groupSize: 32 },
      { mode: "nvfp4", bits: 4, groupSize: 16 },
    ] as const) {
      const values = dtype === "F32" ? new Uint32Array(64) : new Uint16Array(64);
      values[41] = bits;
      const rows = { data: new Uint8Array(values.buffer), columns: 64, dtype, cast: dtype, quantize };
      await expect(binding.convertRows(rows)).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
    }
  });

  it("in a group or a width that a mode has not are refused", async () => {
    const rows = { data: new Uint8Array(256), columns: 64, dtype: "F32", cast: "F32" } as const;
    for (const quantize of [
      { mode: "mxfp4", bits: 4, groupSize: 64 },
      { mode: "mxfp8", bits: 4, groupSize: 32 },
      { mode: "nvfp4", bits: 4, groupSize: 32 },
    ] as const) {
      await expect(binding.convertRows({ ...rows, quantize })).rejects.toThrow();
    }
  });
});
