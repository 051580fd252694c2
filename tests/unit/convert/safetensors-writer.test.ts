import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SafetensorsWriter, type TensorToWrite } from "../../../src/convert/safetensors-writer.js";
import { readSafetensors } from "./read-safetensors.js";

const TENSORS: TensorToWrite[] = [
  { name: "half", dtype: "F16", shape: [3] },
  { name: "brain", dtype: "BF16", shape: [1, 1] },
  { name: "packed", dtype: "U32", shape: [2, 1] },
  { name: "float", dtype: "F32", shape: [1] },
];

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "punie-writer-"));
  path = join(directory, "model.safetensors");
});
afterEach(() => rm(directory, { recursive: true }));

describe("SafetensorsWriter", () => {
  it("writes what a reader reads, in pieces and in any order, wide types first", async () => {
    const writer = await SafetensorsWriter.create(path, TENSORS, { format: "mlx" });
    await writer.append("packed", Uint8Array.of(1, 2, 3));
    await writer.append("half", Uint16Array.of(0x0201, 0x0403, 0x0605));
    await writer.append("packed", Uint8Array.of(4, 5, 6, 7, 8));
    await writer.append("float", Uint8Array.of(9, 10, 11, 12));
    await writer.append("brain", Uint8Array.of(13, 14).subarray(0));
    await writer.finish();
    await writer.close();
    const { tensors, metadata, fileBytes, dataStart } = await readSafetensors(path);
    expect([...tensors].map(([name, { dtype, shape, bytes }]) => [name, dtype, shape, [...bytes]])).toEqual([
      ["packed", "U32", [2, 1], [1, 2, 3, 4, 5, 6, 7, 8]],
      ["float", "F32", [1], [9, 10, 11, 12]],
      ["half", "F16", [3], [1, 2, 3, 4, 5, 6]],
      ["brain", "BF16", [1, 1], [13, 14]],
    ]);
    expect(metadata).toEqual({ format: "mlx" });
    expect(fileBytes).toBe(writer.fileBytes);
    expect(dataStart % 64).toBe(0);
  });

  it.each<[string, string, number]>([
    ["more bytes than were announced", "half", 7],
    ["a tensor that was not announced", "other", 1],
  ])("refuses %s", async (_, name, length) => {
    const writer = await SafetensorsWriter.create(path, TENSORS, {});
    await expect(writer.append(name, new Uint8Array(length))).rejects.toMatchObject({ code: "INTERNAL" });
    await writer.close();
  });

  it("does not finish while bytes are missing", async () => {
    const writer = await SafetensorsWriter.create(path, TENSORS, {});
    await expect(writer.finish()).rejects.toMatchObject({
      code: "INTERNAL",
      message: expect.stringContaining("'packed'"),
    });
    await writer.close();
  });

  it("does not write over a file", async () => {
    await writeFile(path, "mine");
    await expect(SafetensorsWriter.create(path, TENSORS, {})).rejects.toThrow("EEXIST");
    expect(await readdir(directory)).toEqual(["model.safetensors"]);
  });
});
