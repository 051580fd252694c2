import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readSafetensorsHeader } from "../../../src/models/safetensors-header.js";
import { safetensors, safetensorsWith } from "../../helpers/fake-model.js";

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "punie-safetensors-"));
  path = join(directory, "model.safetensors");
});
afterEach(() => rm(directory, { recursive: true }));

const BODY = Buffer.alloc(64);

test("tells names, dtypes, shapes and absolute offsets, in the order of the offsets", async () => {
  const file = safetensors({
    a: { dtype: "F32", shape: [2, 2], bytes: Buffer.alloc(16) },
    scalar: { dtype: "BF16", shape: [], bytes: Buffer.alloc(2) },
    none: { dtype: "U8", shape: [0, 5], bytes: Buffer.alloc(0) },
  });
  await writeFile(path, file);
  const start = file.length - 18;
  expect(await readSafetensorsHeader(path)).toEqual({
    fileBytes: file.length,
    tensors: [
      { name: "a", dtype: "F32", shape: [2, 2], offset: start, bytes: 16 },
      { name: "none", dtype: "U8", shape: [0, 5], offset: start + 18, bytes: 0 },
      { name: "scalar", dtype: "BF16", shape: [], offset: start + 16, bytes: 2 },
    ].sort((a, b) => a.offset - b.offset),
  });
});

test("reads metadata, spaces at the end, names in any script, and holes between tensors", async () => {
  const header = `${JSON.stringify({
    __metadata__: { format: "mlx" },
    重み: { dtype: "I8", shape: [4], data_offsets: [8, 12] },
  })}   `;
  await writeFile(path, safetensorsWith(header, BODY));
  const { tensors } = await readSafetensorsHeader(path);
  expect(tensors).toEqual([
    { name: "重み", dtype: "I8", shape: [4], offset: 8 + Buffer.byteLength(header) + 8, bytes: 4 },
  ]);
});

function one(more: object): Buffer {
  return safetensorsWith({ w: { dtype: "F32", shape: [4], data_offsets: [0, 16], ...more } }, BODY);
}

function length(bytes: bigint): Buffer {
  const buffer = Buffer.alloc(32);
  buffer.writeBigUInt64LE(bytes);
  return buffer;
}

test.each<[string, Buffer, string]>([
  ["an empty file", Buffer.alloc(0), "cut short"],
  ["seven bytes", Buffer.alloc(7), "cut short"],
  ["a header longer than the file", length(1000n), "header of 1000 bytes"],
  ["a header of 2^63 bytes", length(2n ** 63n), "header of"],
  ["a header cut short", one({}).subarray(0, 30), "cut short"],
  ["a header that isn't JSON", safetensorsWith("{oops", BODY), "not JSON"],
  ["a header that isn't UTF-8", safetensorsWith({}, BODY).fill(0xff, 8, 10), "not UTF-8"],
  ["a header that is a list", safetensorsWith([], BODY), "expected an object"],
  ["a tensor that is null", safetensorsWith({ w: null }, BODY), "unknown dtype nothing"],
  ["an unknown dtype", one({ dtype: "Q4" }), 'unknown dtype "Q4"'],
  ["a dtype from Object's prototype", one({ dtype: "toString" }), "unknown dtype"],
  ["a negative dimension", one({ shape: [-4] }), "shape"],
  ["a dimension that is text", one({ shape: ["4"] }), "shape"],
  ["a fractional dimension", one({ shape: [4.5] }), "shape"],
  ["too many dimensions", one({ shape: new Array(20).fill(1) }), "shape"],
  ["dimensions whose product is enormous", one({ shape: [2 ** 52, 2 ** 52] }), "takes"],
  ["one offset", one({ data_offsets: [0] }), "data_offsets"],
  ["a negative offset", one({ data_offsets: [-16, 0] }), "data_offsets"],
  ["offsets in the wrong order", one({ data_offsets: [16, 0] }), "span -16"],
  ["a shape that doesn't fit its bytes", one({ shape: [5] }), "takes 20 bytes, data_offsets span 16"],
  ["bytes outside the file", one({ data_offsets: [56, 72] }), "cut short"],
  ["no offsets", one({ data_offsets: undefined }), "data_offsets"],
])("%s is MODEL_CORRUPT, naming the file", async (_name, file, text) => {
  await writeFile(path, file);
  await expect(readSafetensorsHeader(path)).rejects.toMatchObject({
    code: "MODEL_CORRUPT",
    message: expect.stringContaining(text),
  });
  await expect(readSafetensorsHeader(path)).rejects.toMatchObject({ message: expect.stringContaining(path) });
});

test("tensors that overlap are MODEL_CORRUPT, also with an empty one between them", async () => {
  const header = {
    a: { dtype: "U8", shape: [10], data_offsets: [0, 10] },
    empty: { dtype: "U8", shape: [0], data_offsets: [5, 5] },
    b: { dtype: "U8", shape: [10], data_offsets: [6, 16] },
  };
  await writeFile(path, safetensorsWith(header, BODY));
  const failing = readSafetensorsHeader(path);
  await expect(failing).rejects.toMatchObject({
    code: "MODEL_CORRUPT",
    message: expect.stringContaining('"a" and "b" overlap'),
  });
});

test("a dtype that the format has and the engine hasn't is MODEL_UNSUPPORTED", async () => {
  await writeFile(path, one({ dtype: "F8_E4M3", shape: [16] }));
  await expect(readSafetensorsHeader(path)).rejects.toMatchObject({ code: "MODEL_UNSUPPORTED" });
});

test("a missing file and a directory in its place are MODEL_CORRUPT", async () => {
  await expect(readSafetensorsHeader(path)).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
  await mkdir(path);
  await expect(readSafetensorsHeader(path)).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
});
