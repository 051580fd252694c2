import { describe, expect, it } from "vitest";
import { EndOfBytes } from "../../../src/convert/gguf/byte-cursor.js";
import { parseGgufHeader } from "../../../src/convert/gguf/gguf-header.js";
import { array, type HeaderParts, header, string, type Tensor, uint32, uint64, type Value } from "./gguf-bytes.js";

const FILE_BYTES = 1 << 20;
const F32 = 0;
const Q4_1 = 3;
const IQ4_NL = 20;

const parse = (parts: HeaderParts, fileBytes = FILE_BYTES) => parseGgufHeader(header(parts), fileBytes, "x.gguf");
const tensor = (changes: Partial<Tensor> = {}): Tensor => ({
  name: "t",
  dimensions: [8],
  type: F32,
  offset: 0,
  ...changes,
});
const key = (value: Value): HeaderParts => ({ metadata: [["k", value]] });

/** Arrays in arrays, `depth` of them, the innermost empty. */
function nested(depth: number): Value {
  let inner = Buffer.concat([uint32(4), uint64(0)]);
  for (let level = 1; level < depth; level++) inner = Buffer.concat([uint32(9), uint64(1), inner]);
  return { array: inner };
}

describe("a GGUF header", () => {
  it("gives metadata of every kind, and tensors with the outermost dimension first", () => {
    const { metadata, tensors, version } = parse({
      version: 2,
      metadata: [
        ["int", { uint32: 7 }],
        ["big", { uint64: 2n ** 60n }],
        ["float", { float32: 0.5 }],
        ["yes", { bool: true }],
        ["text", { string: "höhe" }],
        ["list", array("string", 2, [string("a"), string("b")])],
        ["nested", nested(4)],
      ],
      tensors: [
        tensor({ name: "a", dimensions: [32, 3], type: Q4_1 }),
        tensor({ name: "b", dimensions: [4], offset: 64 }),
      ],
    });
    expect(version).toBe(2);
    expect([...metadata.values()]).toEqual([7, 2n ** 60n, 0.5, true, "höhe", ["a", "b"], [[[[]]]]]);
    const a = tensors.get("a");
    expect(a).toMatchObject({ shape: [3, 32], bytes: 60, type: { name: "Q4_1" } });
    expect(tensors.get("b")?.offset).toBe((a?.offset ?? 0) + 64);
    expect((a?.offset ?? 1) % 32).toBe(0);
  });

  it.each<[string, HeaderParts, string]>([
    ["another magic", { magic: "GGML" }, 'begins with "GGUF"'],
    ["a tensor count without end", { tensorCount: 2n ** 63n }, "tensor count"],
    ["a key count without end", { keyCount: 2n ** 64n - 1n }, "metadata count"],
    [
      "a key twice",
      {
        metadata: [
          ["k", { uint32: 1 }],
          ["k", { uint32: 2 }],
        ],
      },
      "'k' is there twice",
    ],
    ["an array without end", key(array("uint32", 2n ** 62n, [])), "length of 'k'"],
    ["many long arrays", manyArrays(), "length of 'k3'"],
    ["arrays nested too deep", key(nested(5)), "nests more than 4"],
    ["arrays nested without end", key(nested(20_000)), "nests more than 4"],
    ["a value type that isn't one", key({ array: Buffer.concat([uint32(99), uint64(1)]) }), "unknown type 99"],
    [
      "a string that is too long",
      key({ array: Buffer.concat([uint32(8), uint64(1), uint64(2n ** 40n)]) }),
      "value of 'k'",
    ],
    ["a string that is not UTF-8", key({ string: Uint8Array.of(0xff, 0xfe) }), "not UTF-8"],
    ["a name that is too long", { tensors: [tensor({ name: "n".repeat(65) })] }, "name of tensor 0"],
    ["a name that is not UTF-8", { tensors: [tensor({ name: Uint8Array.of(0xc0) })] }, "not UTF-8"],
    ["a tensor twice", { tensors: [tensor(), tensor({ offset: 32 })] }, "listed twice"],
    ["no dimensions", { tensors: [tensor({ dimensions: [] })] }, "0 dimensions"],
    ["too many dimensions", { tensors: [tensor({ dimensions: [1, 1, 1, 1, 1] })] }, "5 dimensions"],
    ["an empty tensor", { tensors: [tensor({ dimensions: [4, 0] })] }, "shape [0,4]"],
    ["a dimension past 2^53", { tensors: [tensor({ dimensions: [2n ** 60n] })] }, "dimension of tensor 't'"],
    ["a product past 2^53", { tensors: [tensor({ dimensions: [2n ** 40n, 2n ** 40n] })] }, "shape"],
    ["rows that are no whole blocks", { tensors: [tensor({ dimensions: [48, 2], type: Q4_1 })] }, "Q4_1 can't have"],
    ["an offset off the alignment", { tensors: [tensor({ offset: 4 })] }, "not a multiple of 32"],
    ["an offset past the file", { tensors: [tensor({ offset: FILE_BYTES })] }, "cut short"],
    ["an offset past 2^53", { tensors: [tensor({ offset: 2n ** 63n })] }, "offset of tensor"],
    ["a tensor longer than the file", { tensors: [tensor({ dimensions: [FILE_BYTES] })] }, "cut short"],
    [
      "tensors that overlap",
      { tensors: [tensor({ dimensions: [9] }), tensor({ name: "u", offset: 32 })] },
      "'t' and 'u' overlap",
    ],
    ["an alignment of 0", { metadata: [["general.alignment", { uint32: 0 }]] }, "power of two"],
    ["an alignment of 48", { metadata: [["general.alignment", { uint32: 48 }]] }, "power of two"],
    ["an alignment that is text", { metadata: [["general.alignment", { string: "32" }]] }, "power of two"],
  ])("is MODEL_CORRUPT with %s", (_, parts, cause) => {
    const error = catchError(() => parse(parts));
    expect(error).toMatchObject({ code: "MODEL_CORRUPT" });
    expect(error).toHaveProperty("message", expect.stringContaining(cause));
    expect(error).toHaveProperty("message", expect.stringContaining("x.gguf"));
  });

  it.each<[string, HeaderParts, string]>([
    ["version 1", { version: 1 }, "version 1"],
    ["version 4", { version: 4 }, "version 4"],
    ["the other byte order", { version: 0x03000000 }, "big-endian"],
    [
      "an I-quant",
      { tensors: [tensor({ name: "blk.0.ffn_up.weight", type: IQ4_NL })] },
      "'blk.0.ffn_up.weight' is IQ4_NL",
    ],
    ["a type that isn't known", { tensors: [tensor({ type: 4711 })] }, "type 4711"],
  ])("is MODEL_UNSUPPORTED with %s", (_, parts, cause) => {
    const error = catchError(() => parse(parts));
    expect(error).toMatchObject({ code: "MODEL_UNSUPPORTED" });
    expect(error).toHaveProperty("message", expect.stringContaining(cause));
  });

  it("asks for more bytes wherever it is cut", () => {
    const whole = header({
      metadata: [["k", array("string", 2, [string("abc"), string("def")])]],
      tensors: [tensor({ name: "a", dimensions: [2, 2] })],
    });
    for (let length = 0; length < whole.byteLength; length++) {
      expect(() => parseGgufHeader(whole.subarray(0, length), FILE_BYTES, "x")).toThrow(EndOfBytes);
    }
  });
});

/** Three arrays that together have more items than are allowed, the last cut off after its length. */
function manyArrays(): HeaderParts {
  const full = array("bool", 1_900_000, [Buffer.alloc(1_900_000)]);
  return {
    metadata: [
      ["k1", full],
      ["k2", full],
      ["k3", full],
    ],
  };
}

function catchError(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
