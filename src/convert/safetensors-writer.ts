/** Writes a safetensors file piece by piece. Format: https://huggingface.co/docs/safetensors */
import { type FileHandle, open } from "node:fs/promises";
import { PunieError } from "../errors.js";

const DTYPE_BYTES = { U32: 4, F32: 4, F16: 2, BF16: 2, U8: 1 } as const;
const LENGTH_FIELD_BYTES = 8;
/** The data begin at a multiple of this, so that a tensor can be used where the file is mapped. */
const DATA_ALIGNMENT = 64;

export type WritableDtype = keyof typeof DTYPE_BYTES;

export interface TensorToWrite {
  name: string;
  dtype: WritableDtype;
  shape: number[];
}

interface Region {
  /** Absolute in the file, in bytes. */
  offset: number;
  bytes: number;
  written: number;
}

/**
 * One open safetensors file. Every tensor is announced at the start and then filled in pieces, each from its own
 * beginning to its end. Wider types come first, so that every tensor is aligned to its element.
 */
export class SafetensorsWriter {
  /** Size of the whole file. */
  readonly fileBytes: number;
  readonly #file: FileHandle;
  readonly #regions: Map<string, Region>;

  private constructor(file: FileHandle, regions: Map<string, Region>, fileBytes: number) {
    this.#file = file;
    this.#regions = regions;
    this.fileBytes = fileBytes;
  }

  /** Creates `path`, which must not exist, and writes the header. */
  static async create(
    path: string,
    tensors: readonly TensorToWrite[],
    metadata: Readonly<Record<string, string>>,
  ): Promise<SafetensorsWriter> {
    const { header, regions, fileBytes } = layOut(tensors, metadata);
    const file = await open(path, "wx");
    const writer = new SafetensorsWriter(file, regions, fileBytes);
    try {
      await writer.#writeAt(header, 0);
    } catch (error) {
      await file.close();
      throw error;
    }
    return writer;
  }

  /** Writes the next bytes of a tensor, in the file's byte order (little-endian). */
  async append(name: string, data: Uint8Array | Uint16Array): Promise<void> {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const region = this.#regions.get(name);
    if (!region || region.written + bytes.byteLength > region.bytes) {
      throw new PunieError("INTERNAL", `Tensor '${name}' was given more bytes than were announced for it.`);
    }
    await this.#writeAt(bytes, region.offset + region.written);
    region.written += bytes.byteLength;
  }

  /** Checks that nothing is missing, and returns once the bytes are on the disk. */
  async finish(): Promise<void> {
    for (const [name, region] of this.#regions) {
      if (region.written !== region.bytes) {
        throw new PunieError("INTERNAL", `Tensor '${name}' got ${region.written} of its ${region.bytes} bytes.`);
      }
    }
    await this.#file.sync();
  }

  /** To be called in any case, after `finish` or after a failure. */
  async close(): Promise<void> {
    await this.#file.close();
  }

  async #writeAt(bytes: Uint8Array, position: number): Promise<void> {
    let written = 0;
    while (written < bytes.byteLength) {
      const result = await this.#file.write(bytes, written, bytes.byteLength - written, position + written);
      written += result.bytesWritten;
    }
  }
}

/** Bytes of a tensor's data. */
export function tensorBytes(tensor: TensorToWrite): number {
  return tensor.shape.reduce((product, size) => product * size, 1) * DTYPE_BYTES[tensor.dtype];
}

function layOut(tensors: readonly TensorToWrite[], metadata: Readonly<Record<string, string>>) {
  const inOrder = [...tensors].sort((a, b) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype]);
  const entries: [string, unknown][] = [["__metadata__", metadata]];
  const regions = new Map<string, Region>();
  let end = 0;
  for (const tensor of inOrder) {
    const bytes = tensorBytes(tensor);
    entries.push([tensor.name, { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [end, end + bytes] }]);
    regions.set(tensor.name, { offset: end, bytes, written: 0 });
    end += bytes;
  }
  const header = encodeHeader(JSON.stringify(Object.fromEntries(entries)));
  for (const region of regions.values()) region.offset += header.byteLength;
  return { header, regions, fileBytes: header.byteLength + end };
}

/** Length, JSON, and spaces up to the alignment, which the format allows. */
function encodeHeader(json: string): Uint8Array {
  const text = Buffer.from(json, "utf8");
  const total = Math.ceil((LENGTH_FIELD_BYTES + text.byteLength) / DATA_ALIGNMENT) * DATA_ALIGNMENT;
  const header = Buffer.alloc(total, " ");
  header.writeBigUInt64LE(BigInt(total - LENGTH_FIELD_BYTES), 0);
  text.copy(header, LENGTH_FIELD_BYTES);
  return header;
}
