import { execFileSync } from "node:child_process";
import { appendFile, copyFile, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesPerRow, GgufReader, rowsOf } from "../../../src/convert/gguf/gguf-reader.js";
import { header } from "./gguf-bytes.js";

const FIXTURE = new URL("../../fixtures/gguf/tiny-llama.gguf", import.meta.url);
const LONGEST_STRING = 4 << 20;

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "punie-reader-"));
  path = join(directory, "x.gguf");
});
afterEach(() => rm(directory, { recursive: true }));

const longHeader = (strings: number) => {
  const string = Buffer.alloc(LONGEST_STRING, "x");
  return header({ metadata: Array.from({ length: strings }, (_, index) => [`k${index}`, { string }]) });
};

describe("GgufReader", () => {
  it("reads bytes as they lie in the file", async () => {
    const reader = await GgufReader.open(FIXTURE.pathname);
    const tensor = reader.header.tensors.get("blk.0.attn_q.weight");
    if (!tensor) throw new Error("no such tensor");
    expect([rowsOf(tensor), bytesPerRow(tensor)]).toEqual([64, 40]);
    const all = new Uint8Array(64 * 40);
    await reader.read(tensor, all, 0);
    const file = await readFile(FIXTURE);
    expect(Buffer.compare(all, file.subarray(tensor.offset, tensor.offset + tensor.bytes))).toBe(0);
    const some = new Uint8Array(2 * 40);
    await reader.read(tensor, some, 5 * 40);
    expect(some).toEqual(all.subarray(5 * 40, 7 * 40));
    await reader.close();
  });

  it("reads a header that is longer than its first read", async () => {
    await writeFile(path, longHeader(3));
    const reader = await GgufReader.open(path);
    expect(reader.header.metadata.get("k2")).toHaveLength(LONGEST_STRING);
    await reader.close();
  });

  it("gives up on a header without end", async () => {
    await writeFile(path, longHeader(17));
    await expect(GgufReader.open(path)).rejects.toMatchObject({
      code: "MODEL_CORRUPT",
      message: expect.stringContaining("its header is over"),
    });
  });

  it("says that a file became shorter while it was read", async () => {
    await copyFile(FIXTURE, path);
    const reader = await GgufReader.open(path);
    await truncate(path, 10_000);
    const tensor = reader.header.tensors.get("output.weight");
    if (!tensor) throw new Error("no such tensor");
    const expected = { code: "MODEL_CORRUPT", message: expect.stringContaining("'output.weight'") };
    await expect(reader.read(tensor, new Uint8Array(40), 0)).rejects.toMatchObject(expected);
    await reader.close();
  });

  it("says that a file was written to since it was opened", async () => {
    await copyFile(FIXTURE, path);
    const reader = await GgufReader.open(path);
    await reader.requireUnchanged();
    await appendFile(path, "x");
    const expected = { code: "MODEL_CORRUPT", message: expect.stringContaining("was changed while it was read") };
    await expect(reader.requireUnchanged()).rejects.toMatchObject(expected);
    await reader.close();
  });

  it("does not wait for a named pipe's writer", async () => {
    execFileSync("mkfifo", [path]);
    await expect(GgufReader.open(path)).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
  });
});
