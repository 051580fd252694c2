import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openModelDirectory } from "../../../src/models/model-directory.js";
import { readWeights } from "../../../src/models/weights.js";
import { safetensors } from "../../helpers/fake-model.js";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "punie-weights-"));
});
afterEach(() => rm(directory, { recursive: true }));

async function put(name: string, content: Buffer | object): Promise<void> {
  await writeFile(join(directory, name), Buffer.isBuffer(content) ? content : JSON.stringify(content));
}

function tensors(...names: string[]): Buffer {
  return safetensors(
    Object.fromEntries(names.map((name) => [name, { dtype: "U8", shape: [4], bytes: Buffer.alloc(4) }])),
  );
}

function index(map: Record<string, unknown>): Promise<void> {
  return put("model.safetensors.index.json", { weight_map: map });
}

test("takes model*.safetensors in order when there is no index, and nothing else", async () => {
  await put("model-00002-of-00002.safetensors", tensors("b"));
  await put("model-00001-of-00002.safetensors", tensors("a"));
  await put("adapters.safetensors", tensors("c"));
  const weights = await readWeights(directory);
  expect(weights.tensors.map(({ name, file }) => [name, file])).toEqual([
    ["a", 0],
    ["b", 1],
  ]);
  expect(weights.files.map(({ path }) => path)).toEqual(
    [1, 2].map((i) => join(directory, `model-0000${i}-of-00002.safetensors`)),
  );
});

test("takes the files that the index names", async () => {
  await put("first.safetensors", tensors("a"));
  await put("second.safetensors", tensors("b", "beside"));
  await put("model.safetensors", tensors("a"));
  await index({ a: "first.safetensors", b: "second.safetensors" });
  expect((await readWeights(directory)).tensors.map(({ name }) => name)).toEqual(["a", "b", "beside"]);
});

test.each<[string, () => Promise<void>, string]>([
  ["no weights", async () => {}, "no weights"],
  ["a missing shard of the index", () => index({ a: "gone.safetensors" }), "gone.safetensors"],
  [
    "a missing shard of a numbered set",
    () => put("model-00001-of-00003.safetensors", tensors("a")),
    "model-00002-of-00003.safetensors",
  ],
  [
    "a shard that is a link to itself",
    async () => {
      await symlink("model-00001-of-00001.safetensors", join(directory, "model-00001-of-00001.safetensors"));
    },
    "model-00001-of-00001.safetensors",
  ],
  [
    "an index with a name longer than a file's can be",
    () => index({ a: `${"x".repeat(300)}.safetensors` }),
    "x.safetensors",
  ],
  ["an index that leads out of the directory", () => index({ a: "../a.safetensors" }), "same directory"],
  ["an index of other files", () => index({ a: "pytorch_model.bin" }), "same directory"],
  ["an index that is empty", () => index({}), "expected 1 to"],
  ["an index of numbers", () => index({ a: 5 }), "weight_map.a"],
  ["an index that isn't JSON", () => put("model.safetensors.index.json", Buffer.from("{")), "not JSON"],
  ["an index without a map", () => put("model.safetensors.index.json", {}), "weight_map"],
  [
    "a tensor that its shard lacks",
    async () => {
      await put("a.safetensors", tensors("a"));
      await index({ a: "a.safetensors", b: "a.safetensors" });
    },
    '"b" is missing',
  ],
  [
    "a tensor that stands in two files",
    async () => {
      await put("model-1.safetensors", tensors("a"));
      await put("model-2.safetensors", tensors("a"));
    },
    "stands in model-1.safetensors too",
  ],
  ["a shard cut short", () => put("model.safetensors", tensors("a").subarray(0, 60)), "cut short"],
])("%s is MODEL_CORRUPT", async (_name, make, text) => {
  await make();
  const failing = readWeights(directory);
  await expect(failing).rejects.toMatchObject({ code: "MODEL_CORRUPT", message: expect.stringContaining(text) });
});

const CONFIG = {
  model_type: "llama",
  hidden_size: 128,
  num_hidden_layers: 1,
  intermediate_size: 256,
  num_attention_heads: 2,
  rms_norm_eps: 1e-6,
  vocab_size: 32,
};

function linear(
  name: string,
  words: number,
  scales: number,
): Record<string, { dtype: string; shape: number[]; bytes: Buffer }> {
  return {
    [`${name}.weight`]: { dtype: "U32", shape: [1, words], bytes: Buffer.alloc(words * 4) },
    [`${name}.scales`]: { dtype: "F32", shape: [1, scales], bytes: Buffer.alloc(scales * 4) },
  };
}

const DOWN = "model.layers.0.mlp.down_proj";

test.each([
  "model.layers.0.mlp.down_proj",
  "layers.0.mlp.down_proj",
  "language_model.model.layers.0.mlp.down_proj",
  "model.language_model.layers.0.mlp.down_proj",
])("the table may name a layer %s", async (path) => {
  const quantization = { bits: 4, group_size: 64, [path]: { bits: 8, group_size: 32 }, "vision.blocks.0": false };
  await put("config.json", { ...CONFIG, quantization });
  await put("model.safetensors", safetensors({ ...linear(DOWN, 64, 8), ...linear("model.embed_tokens", 16, 2) }));
  const { quantization: table, spec } = await openModelDirectory(directory);
  expect(table?.layers).toEqual({ [DOWN]: { mode: "affine", bits: 8, groupSize: 32 } });
  expect(spec.quantization).toEqual(table);
});

test("where the table names a layer both ways, the weights' own name counts", async () => {
  const quantization = { bits: 4, group_size: 64, [DOWN]: { bits: 8 }, "layers.0.mlp.down_proj": false };
  await put("config.json", { ...CONFIG, quantization });
  await put("model.safetensors", safetensors(linear(DOWN, 64, 8)));
  expect((await openModelDirectory(directory)).quantization?.layers).toMatchObject({ [DOWN]: { bits: 8 } });
});

test("quantized weights of which config.json doesn't tell are MODEL_CORRUPT", async () => {
  await put("model.safetensors", safetensors(linear("model.embed_tokens", 17, 2)));
  await put("config.json", CONFIG);
  const failing = openModelDirectory(directory);
  await expect(failing).rejects.toMatchObject({ message: expect.stringContaining("quantization") });
});

test("what mlx-lm drops is dropped: rotary tables, and a tied lm_head", async () => {
  await put(
    "model.safetensors",
    tensors("lm_head.weight", "model.layers.0.self_attn.rotary_emb.inv_freq", "model.norm.weight"),
  );
  await put("config.json", CONFIG);
  const names = async () => (await openModelDirectory(directory)).spec.tensors.map(({ name }) => name);
  expect(await names()).toEqual(["model.norm.weight"]);
  await put("config.json", { ...CONFIG, tie_word_embeddings: false });
  expect(await names()).toEqual(["lm_head.weight", "model.norm.weight"]);
});

test.each<[string, object | Buffer, string]>([
  ["isn't JSON", Buffer.from("{"), "not JSON"],
  ["has a token id below 0", { eos_token_id: -1 }, "eos_token_id"],
  ["has a list with text", { eos_token_id: ["</s>"] }, "eos_token_id"],
  ["has a temperature below 0", { temperature: -1 }, "temperature"],
  ["has a top_p above 1", { top_p: 2 }, "top_p"],
  ["is a list", [], "expected an object"],
  ["is too large", Buffer.alloc(2 * 1024 * 1024, " "), "expected at most"],
])("a generation_config.json that %s is MODEL_CORRUPT", async (_name, content, text) => {
  await put("model.safetensors", tensors("model.norm.weight"));
  await put("config.json", CONFIG);
  await put("generation_config.json", content);
  const failing = openModelDirectory(directory);
  await expect(failing).rejects.toMatchObject({ code: "MODEL_CORRUPT", message: expect.stringContaining(text) });
});

test("end tokens and sampling defaults come from both files", async () => {
  await put("model.safetensors", tensors("model.norm.weight"));
  await put("config.json", { ...CONFIG, eos_token_id: 2 });
  await put("generation_config.json", {
    eos_token_id: [7, 2],
    temperature: 0.7,
    top_p: 0.8,
    top_k: 20,
    repetition_penalty: 1.05,
  });
  const model = await openModelDirectory(directory);
  expect(model.eosTokenIds).toEqual([2, 7]);
  expect(model.generationDefaults).toEqual({ temperature: 0.7, topP: 0.8, topK: 20, repetitionPenalty: 1.05 });
});

test("end tokens are also those of text_config, and a top_p of 0 says nothing", async () => {
  await put("model.safetensors", tensors("model.norm.weight"));
  await put("config.json", { ...CONFIG, text_config: { eos_token_id: [3] } });
  await put("generation_config.json", { eos_token_id: 7, top_p: 0 });
  const model = await openModelDirectory(directory);
  expect(model.eosTokenIds).toEqual([3, 7]);
  expect(model.generationDefaults).toEqual({});
});

test("a directory without config.json, a file and nothing at all are told apart", async () => {
  await expect(openModelDirectory(directory)).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
  await put("file", Buffer.alloc(1));
  await expect(openModelDirectory(join(directory, "file"))).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
  await expect(openModelDirectory(join(directory, "none"))).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
});
