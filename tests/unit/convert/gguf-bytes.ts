/** Builds GGUF headers byte by byte, true or false ones. */

const TYPES = { uint32: 4, float32: 6, bool: 7, string: 8, array: 9, uint64: 10 } as const;

export type Value =
  | { uint32: number }
  | { float32: number }
  | { bool: boolean }
  | { string: string | Uint8Array }
  | { uint64: bigint }
  | { array: Buffer };

export interface Tensor {
  name: string | Uint8Array;
  /** In GGUF's order: innermost first. */
  dimensions: (number | bigint)[];
  type: number;
  offset: number | bigint;
}

export interface HeaderParts {
  magic?: string;
  version?: number;
  tensorCount?: bigint;
  keyCount?: bigint;
  metadata?: [key: string, value: Value][];
  tensors?: Tensor[];
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function uint64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

export function string(text: string | Uint8Array): Buffer {
  const bytes = Buffer.from(text as string);
  return Buffer.concat([uint64(bytes.byteLength), bytes]);
}

/** An array's element type, length and elements. */
export function array(type: keyof typeof TYPES, length: number | bigint, elements: Buffer[]): Value {
  return { array: Buffer.concat([uint32(TYPES[type]), uint64(length), ...elements]) };
}

export function header(parts: HeaderParts): Buffer {
  const { magic = "GGUF", version = 3, metadata = [], tensors = [] } = parts;
  return Buffer.concat([
    Buffer.from(magic, "latin1"),
    uint32(version),
    uint64(parts.tensorCount ?? tensors.length),
    uint64(parts.keyCount ?? metadata.length),
    ...metadata.flatMap(([key, value]) => [string(key), encodeValue(value)]),
    ...tensors.map(encodeTensor),
  ]);
}

function encodeValue(value: Value): Buffer {
  if ("uint32" in value) return Buffer.concat([uint32(TYPES.uint32), uint32(value.uint32)]);
  if ("uint64" in value) return Buffer.concat([uint32(TYPES.uint64), uint64(value.uint64)]);
  if ("bool" in value) return Buffer.concat([uint32(TYPES.bool), Buffer.from([value.bool ? 1 : 0])]);
  if ("string" in value) return Buffer.concat([uint32(TYPES.string), string(value.string)]);
  if ("array" in value) return Buffer.concat([uint32(TYPES.array), value.array]);
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value.float32);
  return Buffer.concat([uint32(TYPES.float32), bytes]);
}

function encodeTensor({ name, dimensions, type, offset }: Tensor): Buffer {
  return Buffer.concat([
    string(name),
    uint32(dimensions.length),
    ...dimensions.map(uint64),
    uint32(type),
    uint64(offset),
  ]);
}
