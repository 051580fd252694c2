/** A plain reader of small safetensors files, independent of the one under src/. */
import { readFile } from "node:fs/promises";

export interface ReadTensor {
  dtype: string;
  shape: number[];
  /** Absolute in the file. */
  offset: number;
  bytes: Uint8Array;
}

/** Tensors in the file's order. Throws when they leave gaps or don't end with the file. */
export async function readSafetensors(path: string) {
  const file = await readFile(path);
  const dataStart = 8 + Number(file.readBigUInt64LE(0));
  const { __metadata__: metadata, ...entries } = JSON.parse(file.toString("utf8", 8, dataStart));
  const tensors = new Map<string, ReadTensor>();
  let end = dataStart;
  for (const [name, entry] of Object.entries<{ dtype: string; shape: number[]; data_offsets: [number, number] }>(
    entries,
  )) {
    const [from, to] = entry.data_offsets.map((offset) => dataStart + offset) as [number, number];
    if (from !== end) throw new Error(`${name} begins at ${from}, expected ${end}`);
    tensors.set(name, { dtype: entry.dtype, shape: entry.shape, offset: from, bytes: file.subarray(from, to) });
    end = to;
  }
  if (end !== file.byteLength) throw new Error(`the tensors end at ${end}, the file at ${file.byteLength}`);
  return { tensors, metadata, fileBytes: file.byteLength, dataStart };
}
