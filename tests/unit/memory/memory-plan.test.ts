import { expect, test } from "vitest";
import { planMemory } from "../../../src/memory/memory-plan.js";
import type { NativeModelSpec } from "../../../src/native/binding-types.js";

const CONFIG: NativeModelSpec["config"] = {
  modelType: "qwen3_5",
  hiddenSize: 128,
  hiddenLayers: 4,
  intermediateSize: 256,
  attentionHeads: 4,
  keyValueHeads: 2,
  headDim: 32,
  vocabSize: 1000,
} as NativeModelSpec["config"];

test.each([
  ["model.norm.weight", "BF16", 2],
  ["language_model.model.norm.weight", "F32", 4],
  ["model.language_model.norm.weight", "F32", 4],
  ["language_model.model.norm.weight", "F16", 2],
  ["vision_tower.norm.weight", "F32", 2],
] as const)("on a GPU keys and values are as wide as the model's last norm: %s of %s", (name, dtype, width) => {
  const tensors = [{ name, dtype, shape: [128], file: 0, offset: 0, bytes: 128 * width }];
  const spec = { config: CONFIG, files: [], tensors } as NativeModelSpec;
  const { cacheBytesPerToken } = planMemory(spec, { device: "metal", prefillChunk: 512, contextLength: 4096 });
  expect(cacheBytesPerToken).toBe(4 * 2 * 32 * 2 * width);
});
