/** Model directories with damaged weight files: each is refused at once, by code, with file and cause in the message. */
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadModel } from "../../src/index.js";
import { withTemporaryDirectory } from "../helpers/golden.js";
import { writeRandomModel } from "../helpers/random-model.js";
import {
  configWith,
  cutTo,
  entryWith,
  fileWith,
  headerLength,
  replacing,
  SMALL,
  smallIn,
  unchanged,
  weightsWith,
} from "../helpers/random-model-damage.js";
import { describeRefused, type RefusedModel } from "../helpers/refused-model.js";

const EMBEDDING = "model.embed_tokens.weight";
const SCALES = "model.layers.0.self_attn.q_proj.scales";
const NORM = "model.layers.0.input_layernorm.weight";

const files: RefusedModel[] = [
  {
    what: "no weights",
    damage: async (directory) => {
      await mkdir(directory);
      await writeFile(join(directory, "config.json"), JSON.stringify(SMALL.config));
    },
    code: "MODEL_CORRUPT",
    says: /model\.safetensors|weights/,
  },
  { what: "an empty file", damage: cutTo(0), code: "MODEL_CORRUPT", says: /model\.safetensors.*cut short/ },
  { what: "a file of 7 bytes", damage: cutTo(7), code: "MODEL_CORRUPT", says: /model\.safetensors.*cut short/ },
  { what: "a file cut in its header", damage: cutTo(100), code: "MODEL_CORRUPT", says: /model\.safetensors/ },
  {
    what: "a file cut in its last tensor",
    damage: fileWith((bytes) => bytes.subarray(0, -1)),
    code: "MODEL_CORRUPT",
    says: /model\.safetensors.*cut short/,
  },
  {
    what: "a header of 2^64 - 1 bytes",
    damage: headerLength(2n ** 64n - 1n),
    code: "MODEL_CORRUPT",
    says: /model\.safetensors.*header/,
  },
  {
    what: "a header of 2^62 bytes",
    damage: headerLength(2n ** 62n),
    code: "MODEL_CORRUPT",
    says: /model\.safetensors.*header/,
  },
  { what: "a header of no bytes", damage: headerLength(0n), code: "MODEL_CORRUPT", says: /model\.safetensors.*header/ },
  {
    what: "a header that is not JSON",
    damage: fileWith((bytes) => bytes.fill("?", 8, 20)),
    code: "MODEL_CORRUPT",
    says: /model\.safetensors.*JSON/,
  },
  {
    what: "a header that is not UTF-8",
    damage: fileWith((bytes) => bytes.fill(0xff, 10, 12)),
    code: "MODEL_CORRUPT",
    says: /model\.safetensors.*UTF-8/,
  },
  {
    what: "a file of zeros",
    damage: fileWith((bytes) => bytes.fill(0)),
    code: "MODEL_CORRUPT",
    says: /model\.safetensors/,
  },
  {
    what: "an index that is not JSON",
    damage: async (directory) => {
      await writeRandomModel({ ...SMALL, shards: 2 }, directory);
      await writeFile(join(directory, "model.safetensors.index.json"), "{");
    },
    code: "MODEL_CORRUPT",
    says: /model\.safetensors\.index\.json/,
  },
  {
    what: "an index that names a file outside",
    damage: async (directory) => {
      await writeRandomModel(SMALL, directory);
      const index = { weight_map: { [EMBEDDING]: "../other/model.safetensors" } };
      await writeFile(join(directory, "model.safetensors.index.json"), JSON.stringify(index));
    },
    code: "MODEL_CORRUPT",
    says: /model\.safetensors\.index\.json.*other/,
  },
  {
    what: "a missing shard",
    damage: async (directory) => {
      await writeRandomModel({ ...SMALL, shards: 3 }, directory);
      await rm(join(directory, "model-00002-of-00003.safetensors"));
    },
    code: "MODEL_CORRUPT",
    says: /model-00002-of-00003\.safetensors/,
  },
  {
    what: "a shard that lacks what the index says",
    damage: async (directory) => {
      await writeRandomModel({ ...SMALL, shards: 2 }, directory);
      await rm(join(directory, "model-00002-of-00002.safetensors"));
      await symlink("model-00001-of-00002.safetensors", join(directory, "model-00002-of-00002.safetensors"));
    },
    code: "MODEL_CORRUPT",
    says: /model-0000[12]-of-00002\.safetensors.*model\./,
  },
  {
    what: "a directory for a weights file",
    damage: async (directory) => {
      await writeRandomModel(SMALL, directory);
      await rm(join(directory, "model.safetensors"));
      await mkdir(join(directory, "model.safetensors"));
    },
    code: "MODEL_CORRUPT",
    says: /model\.safetensors|weights/,
  },
];

const headers: RefusedModel[] = [
  ...[
    { what: "an offset beyond the file", entry: { data_offsets: [0, 10 ** 9], shape: [10 ** 9 / 4] } },
    { what: "an offset beyond 2^53", entry: { data_offsets: [2 ** 60, 2 ** 60 + 2048] } },
    { what: "a negative offset", entry: { data_offsets: [-2048, 0] } },
    { what: "offsets in the wrong order", entry: { data_offsets: [2048, 0] } },
    { what: "one offset", entry: { data_offsets: [0] } },
    { what: "offsets that are texts", entry: { data_offsets: ["0", "2048"] } },
    { what: "no offsets", entry: { data_offsets: undefined } },
    { what: "a shape that does not fill its bytes", entry: { shape: [64, 9] } },
    { what: "a shape of texts", entry: { shape: ["64", "8"] } },
    { what: "a negative shape", entry: { shape: [-64, -8] } },
    { what: "a shape that overflows", entry: { shape: [2 ** 32, 2 ** 32, 2 ** 32] } },
    { what: "no shape", entry: { shape: undefined } },
    { what: "an unknown dtype", entry: { dtype: "U31" } },
    { what: "a dtype that is a number", entry: { dtype: 4 } },
    { what: "no dtype", entry: { dtype: undefined } },
    { what: "the offsets of another tensor", entry: { data_offsets: [1, 2049] } },
  ].map(
    ({ what, entry }): RefusedModel => ({
      what,
      damage: weightsWith(unchanged, entryWith(EMBEDDING, entry)),
      code: "MODEL_CORRUPT",
      says: /model\.safetensors.*model\.embed_tokens/,
    }),
  ),
  {
    what: "an entry that is null",
    damage: weightsWith(unchanged, (header) => ({ ...header, [EMBEDDING]: null as never })),
    code: "MODEL_CORRUPT",
    says: /model\.safetensors.*model\.embed_tokens/,
  },
];

const tensors: RefusedModel[] = [
  { what: "no tensors", damage: weightsWith(() => []), says: /model\.embed_tokens\.weight/ },
  ...[EMBEDDING, SCALES, NORM, SCALES.replace("scales", "biases")].map((name) => ({
    what: `no ${name}`,
    damage: weightsWith((list) => list.filter((tensor) => tensor.name !== name)),
    says: new RegExp(name.replace(/\.(scales|weight|biases)$/, "")),
  })),
  {
    what: "a tensor that no layer has",
    damage: weightsWith((list) => [
      ...list,
      { name: "model.stranger.weight", dtype: "F32", shape: [1], data: new Uint8Array(4) },
    ]),
    says: /model\.stranger\.weight/,
  },
  {
    what: "a layer too many",
    damage: weightsWith((list) => [
      ...list,
      ...list.filter((t) => t.name.includes(".0.")).map((t) => ({ ...t, name: t.name.replace(".0.", ".1.") })),
    ]),
    says: /model\.layers\.1\./,
  },
  { what: "a layer too few", damage: configWith({ num_hidden_layers: 2 }), says: /model\.layers\.1\./ },
  { what: "layers far too few", damage: configWith({ num_hidden_layers: 1000 }), says: /model\.layers\.1\./ },
  { what: "another vocabulary", damage: configWith({ vocab_size: 65 }), says: /model\.embed_tokens\.weight/ },
  { what: "another intermediate size", damage: configWith({ intermediate_size: 128 }), says: /mlp/ },
  { what: "the heads of another model", damage: configWith({ num_key_value_heads: 2 }), says: /k_proj/ },
  {
    what: "a head that is not tied and not there",
    damage: configWith({ tie_word_embeddings: false }),
    says: /lm_head/,
  },
  { what: "biases that are not there", damage: configWith({ model_type: "qwen2" }), says: /q_proj\.bias/ },
  {
    what: "packed weights of another dtype",
    damage: weightsWith(replacing(EMBEDDING, (tensor) => ({ ...tensor, dtype: "I32" }))),
    says: /model\.embed_tokens\.weight.*I32/,
  },
  {
    what: "scales of another dtype",
    damage: weightsWith(replacing(SCALES, (tensor) => ({ ...tensor, dtype: "U16" }))),
    says: /q_proj\.scales.*U16/,
  },
  {
    what: "no scales, though the table says how the layer is quantized",
    damage: async (directory: string) => {
      const quantization = { group_size: 64, bits: 4, "model.embed_tokens": { group_size: 64, bits: 8 } };
      const config = { ...SMALL.config, quantization };
      await writeRandomModel({ ...SMALL, plain: ["model.embed_tokens"], config }, directory);
    },
    says: /model\.embed_tokens\.scales.*missing.*8 bits in groups of 64/,
  },
  {
    what: "scales, though the table says that the layer is not quantized",
    damage: configWith({ quantization: { group_size: 64, bits: 4, "model.embed_tokens": false } }),
    says: /model\.embed_tokens\.scales.*not quantized/,
  },
  {
    what: "another quantization than the table's",
    damage: configWith({ quantization: { group_size: 64, bits: 4, "model.embed_tokens": { mode: "mxfp4" } } }),
    says: /model\.embed_tokens.*4 bits in groups of 64.*mxfp4, 4 bits in groups of 32/,
  },
  {
    what: "scales of one byte that no mode has",
    damage: weightsWith(replacing(SCALES, (tensor) => ({ ...tensor, dtype: "U8", data: new Uint8Array(64) }))),
    says: /q_proj.*scales U8 \[64, 1\].*no quantization of rows of 64/,
  },
  ...[
    { what: "a global scale of another dtype", dtype: "BF16", data: new Uint8Array(2) },
    { what: "a global scale that is not finite", dtype: "F32", data: new Uint8Array([0, 0, 0xc0, 0x7f]) },
  ].map(({ what, dtype, data }) => ({
    what,
    damage: weightsWith(
      (list) => [...list, { name: EMBEDDING.replace("weight", "global_scale"), dtype, shape: [], data }],
      undefined,
      smallIn("nvfp4"),
    ),
    says: /model\.embed_tokens\.global_scale/,
  })),
  ...[
    { what: "an order of inputs that repeats one", dtype: "U32", values: [1, ...Array(63).keys()] },
    { what: "an order of inputs beyond the last", dtype: "U32", values: [64, ...Array(63).keys()] },
    { what: "an order of inputs of another dtype", dtype: "F32", values: [...Array(64).keys()] },
    { what: "an order of too few inputs", dtype: "U32", values: [...Array(63).keys()] },
  ].map(({ what, dtype, values }) => ({
    what,
    damage: weightsWith((list) => [
      ...list,
      {
        name: SCALES.replace("scales", "input_order"),
        dtype,
        shape: [values.length],
        data: new Uint8Array(Uint32Array.from(values).buffer),
      },
    ]),
    says: /q_proj\.input_order/,
  })),
  {
    what: "a global scale for a layer that has none",
    damage: weightsWith((list) => [
      ...list,
      { name: `${EMBEDDING.replace("weight", "global_scale")}`, dtype: "F32", shape: [], data: new Uint8Array(4) },
    ]),
    says: /model\.embed_tokens\.global_scale.*not part of this model/,
  },
  {
    what: "a norm of another dtype",
    damage: weightsWith(replacing(NORM, (tensor) => ({ ...tensor, dtype: "I16" }))),
    says: /input_layernorm\.weight.*I16/,
  },
  {
    what: "a norm of another shape",
    damage: weightsWith(replacing(NORM, (tensor) => ({ ...tensor, shape: [2, 32] }))),
    says: /input_layernorm\.weight.*\[2, 32\].*\[64\]/,
  },
  {
    what: "a weight on its side",
    damage: weightsWith(replacing(EMBEDDING, (tensor) => ({ ...tensor, shape: [8, 64] }))),
    says: /model\.embed_tokens/,
  },
  {
    what: "a weight of one dimension",
    damage: weightsWith(replacing(EMBEDDING, (tensor) => ({ ...tensor, shape: [512] }))),
    says: /model\.embed_tokens/,
  },
  {
    what: "a weight of no bytes",
    damage: weightsWith(replacing(EMBEDDING, (tensor) => ({ ...tensor, shape: [64, 0], data: new Uint8Array(0) }))),
    says: /model\.embed_tokens/,
  },
  {
    what: "scales of no dimension",
    damage: weightsWith(replacing(SCALES, (tensor) => ({ ...tensor, shape: [], data: new Uint8Array(2) }))),
    says: /q_proj/,
  },
].map((row) => ({ code: "WEIGHTS_MISMATCH", ...row }) as RefusedModel);

describeRefused([...files, ...headers, ...tensors]);

test("a model directory with nothing wrong is accepted", async () => {
  await withTemporaryDirectory(async (parent) => {
    await using model = await loadModel(await writeRandomModel(SMALL, join(parent, "model")));
    expect((await model.generate({ prompt: [1, 2, 3], maxTokens: 2 })).tokens).toHaveLength(2);
  });
});
