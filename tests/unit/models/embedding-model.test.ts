import { expect, test } from "vitest";
import { withModelPrefix } from "../../../src/models/embedding-model.js";
import type { NativeTensor } from "../../../src/native/binding-types.js";

const Q4 = { mode: "affine", bits: 4, groupSize: 64 } as const;
const Q8 = { mode: "affine", bits: 8, groupSize: 64 } as const;

function tensors(...names: string[]): NativeTensor[] {
  return names.map((name) => ({ name, file: 0, dtype: "BF16", shape: [1], offset: 0, bytes: 2 }));
}

test("names of a decoder alone get their prefix, in the quantization table too", () => {
  const { tensors: named, quantization } = withModelPrefix({
    tensors: tensors("embed_tokens.weight", "layers.0.mlp.up_proj.weight", "norm.weight", "lm_head.weight"),
    quantization: { defaults: Q4, layers: { "layers.0.mlp.up_proj": Q8, "model.embed_tokens": Q8, lm_head: Q8 } },
  });
  expect(named.map(({ name }) => name)).toEqual([
    "model.embed_tokens.weight",
    "model.layers.0.mlp.up_proj.weight",
    "model.norm.weight",
    "lm_head.weight",
  ]);
  expect(quantization).toEqual({
    defaults: Q4,
    layers: { "model.layers.0.mlp.up_proj": Q8, "model.embed_tokens": Q8, lm_head: Q8 },
  });
});

test.each([
  ["have a prefix", ["model.embed_tokens.weight", "model.norm.weight"]],
  ["are partly prefixed, which is a mistake to tell", ["embed_tokens.weight", "model.norm.weight"]],
  ["are of something else", ["transformer.wte.weight"]],
])("names that %s stay as they are", (_, names) => {
  const parts = { tensors: tensors(...names), quantization: undefined };
  expect(withModelPrefix(parts)).toEqual(parts);
});
