/** What is refused of AWQ and GPTQ checkpoints, and when. What they compute: tests/engine/packed-checkpoints.test.ts. */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { importPackedCheckpoint } from "../../../src/convert/packed/import-packed.js";
import { inputOrder, repackRows, zeroPoints } from "../../../src/convert/packed/repack.js";
import { readSafetensorsHeader } from "../../../src/models/safetensors-header.js";
import { type RawTensor, writeSafetensors } from "../../helpers/random-model-file.js";

const FIXTURES = fileURLToPath(new URL("../../fixtures/packed/", import.meta.url));

let directory: string;
let output: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "punie-test-"));
  output = await mkdtemp(join(tmpdir(), "punie-test-"));
});
afterEach(async () => {
  for (const path of [directory, output]) await rm(path, { recursive: true, force: true });
});

async function tensorsOf(path: string): Promise<RawTensor[]> {
  const file = join(path, "model.safetensors");
  const bytes = await readFile(file);
  const { tensors } = await readSafetensorsHeader(file);
  return tensors.map(({ name, dtype, shape, offset, bytes: size }) => ({
    name,
    dtype,
    shape,
    data: bytes.subarray(offset, offset + size),
  }));
}

async function damaged(name: string, change: (tensors: RawTensor[]) => RawTensor[], packing: object = {}) {
  await cp(join(FIXTURES, name), directory, { recursive: true });
  await writeSafetensors(join(directory, "model.safetensors"), change(await tensorsOf(directory)));
  const file = join(directory, "config.json");
  const config = JSON.parse(await readFile(file, "utf8"));
  config.quantization_config = { ...config.quantization_config, ...packing };
  await writeFile(file, JSON.stringify(config));
}

const replacing = (name: string, change: (tensor: RawTensor) => Partial<RawTensor>) => (tensors: RawTensor[]) =>
  tensors.map((tensor) => (tensor.name === name ? { ...tensor, ...change(tensor) } : tensor));
const without = (name: string) => (tensors: RawTensor[]) => tensors.filter((tensor) => tensor.name !== name);
const same = (tensors: RawTensor[]) => tensors;
const Q = "model.layers.0.self_attn.q_proj";

test("words, zero points and orders of inputs are read as the formats say", () => {
  const matrix = { bits: 4, inputs: 8, outputs: 8, groups: 1, zeroOffset: 0 } as const;
  // Output j of input i has the code (i + j) % 16; in AWQ's words outputs stand in the order 0 2 4 6 1 3 5 7.
  const code = (input: number, output: number) => (input + output) % 16;
  const word = (codes: number[]) => codes.reduce((sum, value, i) => (sum | (value << (4 * i))) >>> 0, 0);
  const eight = [0, 1, 2, 3, 4, 5, 6, 7];
  const awq = Uint32Array.from(eight, (input) => word([0, 2, 4, 6, 1, 3, 5, 7].map((output) => code(input, output))));
  const gptq = Uint32Array.from(eight, (output) => word(eight.map((input) => code(input, output))));
  const expected = Uint32Array.from(eight, (output) => word(eight.map((input) => code(input, output))));
  const zeros = word([0, 2, 4, 6, 1, 3, 5, 7]);
  expect(repackRows({ ...matrix, method: "awq", qweight: awq, qzeros: undefined }, undefined, 0, 8)).toEqual(expected);
  expect([...zeroPoints({ ...matrix, method: "awq", qweight: awq, qzeros: Uint32Array.of(zeros) })]).toEqual(eight);
  const reversed = Uint32Array.from(eight).reverse();
  const turned = Uint32Array.from(eight, (output) => word(eight.map((input) => code(7 - input, output))));
  const packed = {
    ...matrix,
    method: "gptq",
    qweight: gptq,
    qzeros: Uint32Array.of(word(eight)),
    zeroOffset: 1,
  } as const;
  expect(repackRows(packed, undefined, 0, 8)).toEqual(expected);
  expect(repackRows(packed, reversed, 0, 8)).toEqual(turned);
  // A stored 15 is 16: the first form of GPTQ's files has each less one.
  expect([...zeroPoints({ ...packed, qzeros: Uint32Array.of(0xffffffff) })]).toEqual(eight.map(() => 16));
  expect(inputOrder(Int32Array.of(0, 0, 1, 1), 2)).toBeUndefined();
  expect(inputOrder(Int32Array.of(1, 0, 1, 0), 2)).toEqual(Uint32Array.of(1, 3, 0, 2));
  for (const groups of [
    [0, 0, 0, 1],
    [0, 0, 1, 2],
    [0, 0, 1, -1],
  ]) {
    expect(inputOrder(Int32Array.from(groups), 2)).toBeNull();
  }
});

test("a group of 96 becomes groups of 32, and config.json says so; nothing but the weights and it is written", async () => {
  const written: number[] = [];
  let total = 0;
  const onProgress = ({ writtenBytes, totalBytes }: { writtenBytes: number; totalBytes: number }) => {
    written.push(writtenBytes);
    total = totalBytes;
  };
  const result = await importPackedCheckpoint(join(FIXTURES, "gptq-v2-whole-columns"), output, { onProgress });
  expect(result).toMatchObject({ method: "gptq", bits: 4, modules: 7 });
  expect(written.at(-1)).toBe(total);
  expect((await readdir(output)).sort()).toEqual(["config.json", "model.safetensors"]);
  const config = JSON.parse(await readFile(join(output, "config.json"), "utf8"));
  expect(config.quantization).toMatchObject({ bits: 4, group_size: 32, mode: "affine" });
  expect(config.quantization_config).toEqual(config.quantization);
  const names = (await tensorsOf(output)).map(({ name }) => name);
  expect(names).toContain(`${Q}.biases`);
  // Of zeros in the checkpoint, and no part of a llama.
  expect(names).not.toContain(`${Q}.bias`);
});

test("a bias that is not all zeros is kept", async () => {
  await damaged(
    "gptq-symmetric",
    replacing(`${Q}.bias`, ({ data }) => ({ data: Uint8Array.from(data).fill(60, 0, 2) })),
  );
  await importPackedCheckpoint(directory, output);
  expect((await tensorsOf(output)).map(({ name }) => name)).toContain(`${Q}.bias`);
});

describe("refused", () => {
  type Row = [what: string, checkpoint: string, change: typeof same, packing: object, code: string, text: string];
  test.each<Row>([
    ["no scales", "awq", without(`${Q}.scales`), {}, "WEIGHTS_MISMATCH", `'${Q}.scales' is missing`],
    ["no weight", "awq", without(`${Q}.qweight`), {}, "WEIGHTS_MISMATCH", `no '${Q}.qweight'`],
    ["another shape", "awq", replacing(`${Q}.qzeros`, () => ({ shape: [12, 3] })), {}, "WEIGHTS_MISMATCH", "[3, 12]"],
    ["another dtype", "awq", replacing(`${Q}.qweight`, () => ({ dtype: "F32" })), {}, "WEIGHTS_MISMATCH", "I32 or U32"],
    ["another group size", "awq", same, { group_size: 64 }, "WEIGHTS_MISMATCH", "expected"],
    [
      "groups that are not equal",
      "gptq-act-order",
      replacing(`${Q}.g_idx`, ({ data }) => ({ data: new Uint8Array(data.byteLength) })),
      {},
      "WEIGHTS_MISMATCH",
      `'${Q}.g_idx' does not deal`,
    ],
    ["3 bits", "gptq-symmetric", same, { bits: 3 }, "MODEL_UNSUPPORTED", "bits 3"],
    ["8 bits of AWQ", "awq", same, { bits: 8 }, "MODEL_UNSUPPORTED", "bits 8"],
    ["groups of 48", "awq", same, { group_size: 48 }, "MODEL_UNSUPPORTED", "group_size 48"],
    ["groups of 0", "awq", same, { group_size: 0 }, "MODEL_UNSUPPORTED", "group_size 0"],
    ["another layout of AWQ", "awq", same, { version: "gemv" }, "MODEL_UNSUPPORTED", '"gemv"'],
    ["another of GPTQ", "gptq-symmetric", same, { checkpoint_format: "marlin" }, "MODEL_UNSUPPORTED", '"marlin"'],
    ["a table of GPTQ", "gptq-symmetric", same, { dynamic: { "+:.*": {} } }, "MODEL_UNSUPPORTED", "dynamic"],
    ["no width", "awq", same, { bits: null }, "MODEL_CORRUPT", "bits"],
  ])("%s", async (_what, checkpoint, change, packing, code, text) => {
    await damaged(checkpoint, change, packing);
    await expect(importPackedCheckpoint(directory, output)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(text),
    });
  });

  test("experts in an order of their own", async () => {
    const rename = (tensors: RawTensor[]) =>
      tensors.map((tensor) => ({ ...tensor, name: tensor.name.replace("mlp.up_proj", "mlp.experts.0.up_proj") }));
    await damaged("gptq-act-order", rename);
    await expect(importPackedCheckpoint(directory, output)).rejects.toMatchObject({ code: "MODEL_UNSUPPORTED" });
  });
});

test("an abort ends the import with the signal's reason", async () => {
  const abort = new AbortController();
  const options = { signal: abort.signal, onProgress: () => abort.abort(new Error("enough")) };
  await expect(importPackedCheckpoint(join(FIXTURES, "awq"), output, options)).rejects.toThrow("enough");
});
