/** Writes safetensors files with nothing aligned, as MLX's writer does, and with headers that may lie. */
import { writeFile } from "node:fs/promises";

export interface RawTensor {
  name: string;
  dtype: string;
  shape: number[];
  data: Uint8Array;
}

export type Header = Record<string, { dtype?: unknown; shape?: unknown; data_offsets?: unknown }>;

/** The header that tells the truth of `tensors`, laid one after the other. */
export function headerOf(tensors: readonly RawTensor[]): Header {
  const header: Header = {};
  let offset = 0;
  for (const { name, dtype, shape, data } of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  return header;
}

/** `start`: offset of the first tensor modulo 16. `header`: what to write instead of the truth. */
export async function writeSafetensors(
  path: string,
  tensors: readonly RawTensor[],
  start = 0,
  header: Header = headerOf(tensors),
): Promise<void> {
  const text = Buffer.from(JSON.stringify({ __metadata__: { format: "mlx" }, ...header }));
  const padding = Buffer.alloc((((start - 8 - text.length) % 16) + 16) % 16, " ");
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length + padding.length));
  await writeFile(path, Buffer.concat([length, text, padding, ...tensors.map((tensor) => tensor.data)]));
}
