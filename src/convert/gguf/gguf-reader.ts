/** Reads a GGUF file piece by piece: the header into memory, tensors row by row. */
import { type FileHandle, open, stat } from "node:fs/promises";
import { PunieError } from "../../errors.js";
import { EndOfBytes } from "./byte-cursor.js";
import { type GgufHeader, type GgufTensor, parseGgufHeader } from "./gguf-header.js";

/** Enough for a vocabulary of 100,000; a longer header is tried again with twice as much. */
const FIRST_HEADER_BYTES = 8 << 20;
/** A vocabulary of 250,000 with its merges takes 12 MiB. */
const MAX_HEADER_BYTES = 64 << 20;

/** An open GGUF file. Whoever opens it closes it. */
export class GgufReader {
  readonly path: string;
  readonly header: GgufHeader;
  readonly #file: FileHandle;
  readonly #version: string;

  private constructor(path: string, file: FileHandle, header: GgufHeader, version: string) {
    this.path = path;
    this.#file = file;
    this.#version = version;
    this.header = header;
  }

  /** @throws MODEL_NOT_FOUND, MODEL_CORRUPT or MODEL_UNSUPPORTED */
  static async open(path: string): Promise<GgufReader> {
    const { file, bytes } = await openFile(path);
    try {
      const version = await versionOf(file);
      return new GgufReader(path, file, await readHeader(path, file, bytes), version);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Fills `target` with the tensor's bytes from `offset` on, as they lie in the file. */
  async read(tensor: GgufTensor, target: Uint8Array, offset: number): Promise<void> {
    const read = await readFully(this.#file, target, tensor.offset + offset);
    if (read < target.byteLength) {
      throw new PunieError(
        "MODEL_CORRUPT",
        `${this.path}: the file became shorter while tensor '${tensor.name}' was read.`,
      );
    }
  }

  /** @throws PunieError `MODEL_CORRUPT` when the file was written to since it was opened. */
  async requireUnchanged(): Promise<void> {
    if ((await versionOf(this.#file)) === this.#version) return;
    throw new PunieError("MODEL_CORRUPT", `${this.path}: the file was changed while it was read.`);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function versionOf(file: FileHandle): Promise<string> {
  const { size, mtimeNs } = await file.stat({ bigint: true });
  return `${size} ${mtimeNs}`;
}

/** Rows of a matrix; a vector counts as one row. */
export function rowsOf(tensor: GgufTensor): number {
  return tensor.shape.slice(0, -1).reduce((product, size) => product * size, 1);
}

export function bytesPerRow(tensor: GgufTensor): number {
  return tensor.bytes / rowsOf(tensor);
}

async function openFile(path: string): Promise<{ file: FileHandle; bytes: number }> {
  try {
    // Looked at before it is opened: opening a named pipe would wait for its writer.
    const info = await stat(path);
    if (info.isFile()) return { file: await open(path, "r"), bytes: info.size };
  } catch (cause) {
    throw new PunieError("MODEL_NOT_FOUND", `${path} can't be opened: ${(cause as Error).message}.`, { cause });
  }
  throw new PunieError("MODEL_NOT_FOUND", `${path} is not a file; a GGUF model is one file.`);
}

async function readHeader(path: string, file: FileHandle, fileBytes: number): Promise<GgufHeader> {
  for (let length = FIRST_HEADER_BYTES; length <= MAX_HEADER_BYTES; length *= 2) {
    const bytes = new Uint8Array(Math.min(length, fileBytes));
    const read = await readFully(file, bytes, 0);
    try {
      return parseGgufHeader(bytes.subarray(0, read), fileBytes, path);
    } catch (error) {
      if (!(error instanceof EndOfBytes)) throw error;
      if (length >= fileBytes) {
        throw new PunieError("MODEL_CORRUPT", `${path} is not a usable GGUF file: it ends within its header.`);
      }
    }
  }
  throw new PunieError(
    "MODEL_CORRUPT",
    `${path} is not a usable GGUF file: its header is over ${MAX_HEADER_BYTES} bytes.`,
  );
}

/** Fills `bytes` from `position` on as far as the file goes; returns how many were read. */
async function readFully(file: FileHandle, bytes: Uint8Array, position: number): Promise<number> {
  let filled = 0;
  while (filled < bytes.byteLength) {
    const { bytesRead } = await file.read(bytes, filled, bytes.byteLength - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
