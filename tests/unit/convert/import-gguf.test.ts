import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { importGguf } from "../../../src/convert/gguf/import-gguf.js";
import { dequantizeGroups, readFloats } from "./dequantize.js";
import { readSafetensors } from "./read-safetensors.js";

const FIXTURES = new URL("../../fixtures/gguf/", import.meta.url);
const FIXTURE = new URL("tiny-llama.gguf", FIXTURES);

interface Expected {
  tensors: Record<string, { type: string; shape: number[]; sha256: string; first: number[] }>;
}

const expected: Expected = JSON.parse(await readFile(new URL("tiny-llama.expected.json", FIXTURES), "utf8"));
const fixture = await readFile(FIXTURE);

let directory: string;
let output: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "punie-import-"));
  output = join(directory, "model");
});
afterEach(() => rm(directory, { recursive: true }));

const readJson = async (file: string) => JSON.parse(await readFile(join(output, file), "utf8"));

/** The fixture with one text in its header replaced by another of the same length. */
function replaced(from: string, to: string): Buffer {
  const bytes = Buffer.from(fixture);
  const at = bytes.indexOf(from);
  if (at < 0 || from.length !== to.length) throw new Error(`can't replace ${from}`);
  bytes.write(to, at, "latin1");
  return bytes;
}

/** The fixture with the uint32 of a metadata key changed. */
function withNumber(key: string, value: number): Buffer {
  const bytes = Buffer.from(fixture);
  bytes.writeUInt32LE(value, bytes.indexOf(key) + key.length + 4);
  return bytes;
}

async function importBytes(bytes: Uint8Array) {
  const file = join(directory, "changed.gguf");
  await writeFile(file, bytes);
  return importGguf(file, output);
}

describe("importGguf", () => {
  it("keeps every value of every tensor type, q and k in Hugging Face's order", async () => {
    const result = await importGguf(FIXTURE.pathname, output);
    const config = await readJson("config.json");
    const { tensors } = await readSafetensors(join(output, "model.safetensors"));
    expect(result).toMatchObject({ path: output, modelType: "llama", losses: [] });
    for (const [name, { type, shape, sha256, first }] of Object.entries(expected.tensors)) {
      const module = name.replace(/\.weight$/, "");
      const weight = tensors.get(name);
      if (!weight) throw new Error(`${name} is missing`);
      let values: Float32Array;
      if (type.startsWith("Q")) {
        const { bits, group_size } = config.quantization[module] ?? config.quantization;
        const [rows = 0, columns = 0] = shape;
        expect(weight).toMatchObject({ dtype: "U32", shape: [rows, (columns * bits) / 32] });
        const [scales, biases] = ["scales", "biases"].map((member) => tensors.get(`${module}.${member}`));
        expect([scales, biases]).toEqual(
          Array(2).fill(expect.objectContaining({ dtype: "F16", shape: [rows, columns / group_size] })),
        );
        const halves = (tensor: typeof scales) => new Uint16Array(Uint8Array.from(tensor?.bytes ?? []).buffer);
        values = dequantizeGroups({ weight: weight.bytes, scales: halves(scales), biases: halves(biases) }, bits);
      } else {
        expect(weight).toMatchObject({ dtype: type, shape });
        values = readFloats(weight.bytes, weight.dtype);
      }
      expect([name, ...values.subarray(0, 4)]).toEqual([name, ...first]);
      expect([name, sha256Of(values)]).toEqual([name, sha256]);
    }
  });

  it("writes config.json with the common width and a row for each other module", async () => {
    await importGguf(FIXTURE.pathname, output);
    const wide = { group_size: 32, bits: 8, mode: "affine" };
    expect(await readJson("config.json")).toEqual({
      architectures: ["LlamaForCausalLM"],
      model_type: "llama",
      hidden_size: 64,
      num_hidden_layers: 1,
      intermediate_size: 96,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      head_dim: 16,
      vocab_size: 284,
      hidden_act: "silu",
      rms_norm_eps: 0.00001,
      rope_theta: 100000,
      max_position_embeddings: 512,
      tie_word_embeddings: false,
      bos_token_id: 1,
      eos_token_id: [2, 0],
      quantization: expect.objectContaining({ group_size: 32, bits: 4, mode: "affine", "model.embed_tokens": wide }),
      quantization_config: {
        group_size: 32,
        bits: 4,
        mode: "affine",
        "model.embed_tokens": wide,
        "model.layers.0.self_attn.k_proj": wide,
      },
    });
    expect(await readJson("generation_config.json")).toEqual({
      bos_token_id: 1,
      eos_token_id: [2, 0],
      do_sample: false,
    });
  });

  it("indexes every tensor of a file whose tensors are aligned and leave no gaps", async () => {
    const { bytes } = await importGguf(FIXTURE.pathname, output);
    const { tensors, fileBytes } = await readSafetensors(join(output, "model.safetensors"));
    const index = await readJson("model.safetensors.index.json");
    expect(Object.keys(index.weight_map)).toEqual([...tensors.keys()].sort());
    expect(new Set(Object.values(index.weight_map))).toEqual(new Set(["model.safetensors"]));
    const sizes = [...tensors.values()].map((tensor) => tensor.bytes.byteLength);
    expect(index.metadata.total_size).toBe(sizes.reduce((sum, size) => sum + size));
    expect(fileBytes).toBe(bytes);
    for (const { offset, dtype } of tensors.values()) expect(offset % (dtype.endsWith("32") ? 4 : 2)).toBe(0);
  });

  it("tells progress up to the end, and leaves nothing but the model", async () => {
    const seen: number[] = [];
    let total = 0;
    await importGguf(FIXTURE.pathname, output, {
      onProgress: ({ writtenBytes, totalBytes }) => {
        seen.push(writtenBytes);
        total = totalBytes;
      },
    });
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(total);
    expect(await readdir(directory)).toEqual(["model"]);
    expect((await readdir(output)).sort()).toEqual([
      "README.md",
      "config.json",
      "generation_config.json",
      "model.safetensors",
      "model.safetensors.index.json",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
  });

  it("stops at the signal with its reason and leaves nothing", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const importing = importGguf(FIXTURE.pathname, output, {
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await expect(importing).rejects.toBe(reason);
    expect(await readdir(directory)).toEqual([]);
  });

  it("does not touch a directory that is there", async () => {
    await mkdir(output);
    await writeFile(join(output, "mine"), "");
    await expect(importGguf(FIXTURE.pathname, output)).rejects.toMatchObject({ code: "INVALID_OPTION" });
    expect(await readdir(output)).toEqual(["mine"]);
  });

  it("is MODEL_NOT_FOUND for a file that isn't there", async () => {
    const file = join(directory, "absent.gguf");
    const expectedError = { code: "MODEL_NOT_FOUND", message: expect.stringContaining(file) };
    await expect(importGguf(file, output)).rejects.toMatchObject(expectedError);
  });

  it.each<[string, Buffer, string, string]>([
    ["another architecture", replaced("llama", "gemma"), "MODEL_UNSUPPORTED", "'gemma'"],
    [
      "an inherited property's name",
      replaced("\x05\0\0\0\0\0\0\0llama", "\x05\0\0\0\0\0\0\0proto"),
      "MODEL_UNSUPPORTED",
      "'proto'",
    ],
    ["another kind of tokenizer", replaced("gpt2", "bert"), "MODEL_UNSUPPORTED", "'bert'"],
    ["another splitting rule", replaced("smollm", "tekken"), "MODEL_UNSUPPORTED", "'tekken'"],
    [
      "a tensor without a place",
      replaced("\x0d\0\0\0\0\0\0\0output.weight", "\x0d\0\0\0\0\0\0\0rope_f.weight"),
      "MODEL_UNSUPPORTED",
      "'rope_f.weight'",
    ],
    [
      "a missing tensor",
      replaced("blk.0.attn_v.weight", "blk.0.attn_x.weight"),
      "WEIGHTS_MISMATCH",
      "'blk.0.attn_v.weight'",
    ],
    ["more layers than it has", withNumber("llama.block_count", 2), "WEIGHTS_MISMATCH", "'blk.1.attn_norm.weight'"],
    ["absurdly many layers", withNumber("llama.block_count", 2 ** 31), "MODEL_CORRUPT", "'llama.block_count'"],
    ["another width", withNumber("llama.embedding_length", 128), "MODEL_UNSUPPORTED", "'llama.rope.dimension_count'"],
    ["no heads", withNumber("llama.attention.head_count", 0), "MODEL_CORRUPT", "'llama.attention.head_count'"],
    [
      "heads that don't share evenly",
      withNumber("llama.attention.head_count_kv", 3),
      "MODEL_CORRUPT",
      "3 key-value heads",
    ],
    [
      "a partial rotation",
      withNumber("llama.rope.dimension_count", 8),
      "MODEL_UNSUPPORTED",
      "'llama.rope.dimension_count'",
    ],
    [
      "a missing key",
      replaced("llama.context_length", "llama.context_xength"),
      "MODEL_CORRUPT",
      "'llama.context_length'",
    ],
    ["a token twice", replaced("<tool>", "[PAD0]"), "MODEL_CORRUPT", "the same text"],
    ["a merge of unknown tokens", replaced("\x03\0\0\0\0\0\0\0d e", "\x03\0\0\0\0\0\0\0dve"), "MODEL_CORRUPT", "merge"],
    ["a scale that is NaN", withNanScale(), "MODEL_CORRUPT", "'output.weight'"],
  ])("says what is wrong with %s, and leaves nothing", async (_, bytes, code, cause) => {
    await expect(importBytes(bytes)).rejects.toMatchObject({ code, message: expect.stringContaining(cause) });
    expect(await readdir(directory)).toEqual(["changed.gguf"]);
  });

  it("says that a file is cut short, wherever that is", async () => {
    const lengths = [0, 3, 4, 20, 100, 5_000, fixture.byteLength / 2, fixture.byteLength - 1];
    for (const length of lengths) {
      const cut = fixture.subarray(0, length);
      await expect(importBytes(cut)).rejects.toMatchObject({
        code: "MODEL_CORRUPT",
        message: expect.stringContaining("changed.gguf"),
      });
    }
    expect(await readdir(directory)).toEqual(["changed.gguf"]);
  });
});

/** Of the values, where -0 counts as 0. */
function sha256Of(values: Float32Array): string {
  return createHash("sha256")
    .update(values.map((value) => value + 0))
    .digest("hex");
}

/** The last tensor is `output.weight`, Q4_1: its first block's scale becomes NaN. */
function withNanScale(): Buffer {
  const bytes = Buffer.from(fixture);
  const rows = expected.tensors["lm_head.weight"]?.shape[0] ?? 0;
  bytes.writeUInt16LE(0x7e00, bytes.byteLength - rows * 2 * 20);
  return bytes;
}
