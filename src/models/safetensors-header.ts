import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { PunieError } from "../errors.js";
import type { TensorDtype } from "../native/binding-types.js";
import { parseJson } from "./json-file.js";
import { describe } from "./schema-error.js";
import { errorCode } from "./system-error.js";
import { unsupported } from "./unsupported.js";

/** One tensor of a safetensors file. `offset` is absolute in the file, in bytes. */
export interface SafetensorsTensor {
  name: string;
  dtype: TensorDtype;
  shape: number[];
  offset: number;
  bytes: number;
}

export interface SafetensorsHeader {
  /** Size of the whole file. */
  fileBytes: number;
  /** In the order of their offsets. */
  tensors: SafetensorsTensor[];
}

/** The format's own limit on its header. */
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;
const MAX_DIMENSIONS = 8;

const DTYPE_BYTES: Record<TensorDtype, number> = {
  F64: 8,
  I64: 8,
  F32: 4,
  U32: 4,
  I32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

/** Of the format, but not of the engine. */
const OTHER_DTYPES = ["U64", "C64", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F6_E2M3", "F6_E3M2", "F4"];

/**
 * Reads and checks the header of a safetensors file: nothing else of it is read.
 * Format: 8 bytes of little-endian length, that much JSON, then the tensors' bytes
 * (https://github.com/huggingface/safetensors#format). Unlike there, holes between tensors are allowed.
 *
 * @throws PunieError `MODEL_CORRUPT`, naming file and tensor: cut short, not JSON, a shape that doesn't fit its bytes,
 * bytes outside the file or of two tensors. `MODEL_UNSUPPORTED` for a dtype of the format that the engine lacks.
 */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  const { text, fileBytes } = await readHeaderText(path);
  const header = parseJson(text, `${path}: header`);
  if (typeof header !== "object" || header === null || Array.isArray(header)) {
    throw corrupt(path, `header: expected an object, found ${describe(header)}`);
  }
  const dataStart = LENGTH_BYTES + Buffer.byteLength(text);
  const tensors: SafetensorsTensor[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name !== "__metadata__") tensors.push(readTensor(name, entry, dataStart, fileBytes, path));
  }
  tensors.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  refuseOverlaps(tensors, path);
  return { fileBytes, tensors };
}

async function readHeaderText(path: string): Promise<{ text: string; fileBytes: number }> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const info = await file.stat();
      if (!info.isFile()) throw corrupt(path, "expected a regular file");
      if (info.size < LENGTH_BYTES) throw corrupt(path, `cut short: ${info.size} bytes, no room for a header`);
      const length = Number((await readAt(path, file, 0, LENGTH_BYTES)).readBigUInt64LE());
      if (length > MAX_HEADER_BYTES || length > info.size - LENGTH_BYTES) {
        throw corrupt(path, `header of ${length} bytes in a file of ${info.size}: cut short, or no safetensors file`);
      }
      const bytes = await readAt(path, file, LENGTH_BYTES, length);
      return { text: decodeUtf8(bytes, path), fileBytes: info.size };
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof PunieError) throw cause;
    const code = errorCode(cause);
    throw corrupt(path, code === "ENOENT" ? "the file is missing" : `can't be read (${code ?? String(cause)})`, cause);
  }
}

type OpenFile = Awaited<ReturnType<typeof open>>;

async function readAt(path: string, file: OpenFile, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  if (bytesRead !== length) throw corrupt(path, "cut short while it was read");
  return buffer;
}

/** Strict: a replacement character would make the text's length differ from the header's. */
function decodeUtf8(bytes: Buffer, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw corrupt(path, "header: not UTF-8", cause);
  }
}

function readTensor(
  name: string,
  entry: unknown,
  dataStart: number,
  fileBytes: number,
  path: string,
): SafetensorsTensor {
  const place = `tensor ${describe(name)}`;
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  if (typeof dtype !== "string" || !Object.hasOwn(DTYPE_BYTES, dtype)) {
    if (OTHER_DTYPES.includes(dtype as string)) {
      throw unsupported(path, `${place}: dtype ${dtype}`, Object.keys(DTYPE_BYTES).join(" "));
    }
    throw corrupt(path, `${place}: unknown dtype ${describe(dtype)}`);
  }
  if (!isListOfSizes(shape) || shape.length > MAX_DIMENSIONS) {
    throw corrupt(path, `${place}: shape: expected at most ${MAX_DIMENSIONS} whole numbers, found ${describe(shape)}`);
  }
  if (!isListOfSizes(offsets) || offsets.length !== 2) {
    throw corrupt(path, `${place}: data_offsets: expected two whole numbers below 2^53, found ${describe(offsets)}`);
  }
  const [start, end] = offsets as [number, number];
  const expected = shape.reduce((product, dimension) => product * dimension, DTYPE_BYTES[dtype as TensorDtype]);
  if (end - start !== expected) {
    throw corrupt(
      path,
      `${place}: ${dtype} [${shape.join(", ")}] takes ${expected} bytes, data_offsets span ${end - start}`,
    );
  }
  if (end > fileBytes - dataStart) {
    throw corrupt(
      path,
      `${place}: ends at byte ${dataStart + end} of a file of ${fileBytes}: cut short, or a wrong offset`,
    );
  }
  return { name, dtype: dtype as TensorDtype, shape, offset: dataStart + start, bytes: expected };
}

function isListOfSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** @param tensors In the order of their offsets. */
function refuseOverlaps(tensors: SafetensorsTensor[], path: string): void {
  let last: SafetensorsTensor | undefined;
  for (const tensor of tensors) {
    if (tensor.bytes === 0) continue;
    if (last !== undefined && last.offset + last.bytes > tensor.offset) {
      throw corrupt(path, `tensors ${describe(last.name)} and ${describe(tensor.name)} overlap`);
    }
    last = tensor;
  }
}

function corrupt(path: string, fault: string, cause?: unknown): PunieError {
  return new PunieError("MODEL_CORRUPT", `${path}: ${fault}.`, cause === undefined ? undefined : { cause });
}
