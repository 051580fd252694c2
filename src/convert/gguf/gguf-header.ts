/**
 * The header of a GGUF file: metadata and tensor table. The bytes come from strangers, so that every count, length
 * and offset is checked before anything is made of it. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import { PunieError } from "../../errors.js";
import { ByteCursor } from "./byte-cursor.js";
import { type GgmlType, PORTABLE_TYPE_LIST, portableType, typeName } from "./ggml-types.js";
import { type GgufMetadata, readMetadata } from "./gguf-metadata.js";

const MAGIC = "GGUF";
const DEFAULT_ALIGNMENT = 32;
const MAX_ALIGNMENT = 1 << 20;
/** The largest public models have some 2,500 tensors. */
const MAX_TENSORS = 65_536;
const MAX_DIMENSIONS = 4;
/** The format allows 64 bytes. */
const MAX_NAME_BYTES = 64;

export interface GgufTensor {
  name: string;
  type: GgmlType;
  /** Outermost dimension first, as in safetensors; GGUF writes it the other way round. */
  shape: number[];
  /** Absolute in the file, in bytes. */
  offset: number;
  bytes: number;
}

export interface GgufHeader {
  version: number;
  metadata: GgufMetadata;
  tensors: Map<string, GgufTensor>;
}

/**
 * Parses the header at the start of `bytes`.
 * @param fileBytes size of the whole file, which tensor data must lie in
 * @throws EndOfBytes when the header is longer than `bytes`; MODEL_CORRUPT when it contradicts itself or the file;
 *   MODEL_UNSUPPORTED for other versions and tensor types
 */
export function parseGgufHeader(bytes: Uint8Array, fileBytes: number, path: string): GgufHeader {
  const cursor = new ByteCursor(bytes, path);
  const version = readVersion(cursor);
  const tensorCount = cursor.count("tensor count", MAX_TENSORS);
  const metadata = readMetadata(cursor);
  const entries: TensorEntry[] = [];
  for (let index = 0; index < tensorCount; index++) entries.push(readTensorEntry(cursor, index));
  const alignment = readAlignment(metadata, cursor);
  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  const tensors = new Map<string, GgufTensor>();
  for (const entry of entries) {
    if (tensors.has(entry.name)) throw cursor.corrupt(`tensor '${entry.name}' is listed twice`);
    tensors.set(entry.name, placeTensor(entry, { alignment, dataStart, fileBytes, cursor }));
  }
  checkNoOverlap([...tensors.values()], cursor);
  return { version, metadata, tensors };
}

function readVersion(cursor: ByteCursor): number {
  const magic = Buffer.from(cursor.take(4)).toString("latin1");
  if (magic !== MAGIC) {
    throw cursor.corrupt(`a GGUF file begins with "${MAGIC}", this one with ${JSON.stringify(magic)}`);
  }
  const version = cursor.uint32();
  if (version === 2 || version === 3) return version;
  // Version 3 read with the wrong byte order has its number in the top byte.
  const found = version === 0x03000000 ? "a big-endian file" : `version ${version}`;
  throw new PunieError(
    "MODEL_UNSUPPORTED",
    `${cursor.path}: GGUF versions 2 and 3, little-endian, can be read; this is ${found}.`,
  );
}

interface TensorEntry {
  name: string;
  typeId: number;
  shape: number[];
  relativeOffset: number;
}

function readTensorEntry(cursor: ByteCursor, index: number): TensorEntry {
  const name = cursor.string(`name of tensor ${index}`, MAX_NAME_BYTES);
  const dimensions = cursor.uint32();
  if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
    throw cursor.corrupt(`tensor '${name}' has ${dimensions} dimensions; 1 to ${MAX_DIMENSIONS} are possible`);
  }
  const shape: number[] = [];
  for (let axis = 0; axis < dimensions; axis++) shape.unshift(cursor.count(`a dimension of tensor '${name}'`));
  return { name, shape, typeId: cursor.uint32(), relativeOffset: cursor.count(`offset of tensor '${name}'`) };
}

function readAlignment(metadata: GgufMetadata, cursor: ByteCursor): number {
  const alignment = metadata.get("general.alignment") ?? DEFAULT_ALIGNMENT;
  const valid = typeof alignment === "number" && alignment >= 1 && alignment <= MAX_ALIGNMENT;
  if (!valid || !Number.isInteger(Math.log2(alignment))) {
    throw cursor.corrupt(`general.alignment must be a power of two up to ${MAX_ALIGNMENT}, found ${String(alignment)}`);
  }
  return alignment;
}

interface Placement {
  alignment: number;
  dataStart: number;
  fileBytes: number;
  cursor: ByteCursor;
}

function placeTensor(entry: TensorEntry, { alignment, dataStart, fileBytes, cursor }: Placement): GgufTensor {
  const { name, shape, typeId, relativeOffset } = entry;
  const type = portableType(typeId);
  if (!type) {
    throw new PunieError(
      "MODEL_UNSUPPORTED",
      `${cursor.path}: tensor '${name}' is ${typeName(typeId)}; these can be imported: ${PORTABLE_TYPE_LIST}.`,
    );
  }
  const values = shape.reduce((product, size) => product * size, 1);
  const rowValues = shape.at(-1) ?? 0;
  const bytes = (values / type.blockValues) * type.blockBytes;
  if (values < 1 || rowValues % type.blockValues !== 0 || !Number.isSafeInteger(values)) {
    throw cursor.corrupt(`tensor '${name}' has the shape [${shape}], which ${type.name} can't have`);
  }
  const offset = dataStart + relativeOffset;
  if (relativeOffset % alignment !== 0) {
    throw cursor.corrupt(`tensor '${name}' begins at ${relativeOffset}, which is not a multiple of ${alignment}`);
  }
  if (offset + bytes > fileBytes) {
    throw cursor.corrupt(`tensor '${name}' ends at byte ${offset + bytes}, the file at ${fileBytes}: is it cut short?`);
  }
  return { name, type, shape, offset, bytes };
}

function checkNoOverlap(tensors: GgufTensor[], cursor: ByteCursor): void {
  const inOrder = tensors.sort((a, b) => a.offset - b.offset);
  for (const [index, tensor] of inOrder.entries()) {
    const next = inOrder[index + 1];
    if (next && tensor.offset + tensor.bytes > next.offset) {
      throw cursor.corrupt(`tensors '${tensor.name}' and '${next.name}' overlap`);
    }
  }
}
