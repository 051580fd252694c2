import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openModelDirectory } from "../../../src/models/model-directory.js";

const FIXTURE = fileURLToPath(new URL("../../fixtures/tiny-coder-4bit", import.meta.url));

test("reads the bundled model as mlx-lm does", async () => {
  const model = await openModelDirectory(FIXTURE);
  expect(model.modelType).toBe("qwen2");
  expect(model.config).toEqual({
    modelType: "qwen2",
    hiddenSize: 128,
    hiddenLayers: 6,
    intermediateSize: 384,
    attentionHeads: 2,
    keyValueHeads: 1,
    headDim: 64,
    vocabSize: 1280,
    rmsNormEps: 1e-6,
    ropeTheta: 10000,
    ropeDimensions: 64,
    ropeTraditional: false,
    maxPositionEmbeddings: 2048,
    tieWordEmbeddings: true,
    attentionBias: true,
    mlpBias: false,
  });
  expect(model.quantization).toEqual({ defaults: { mode: "affine", bits: 4, groupSize: 64 }, layers: {} });
  expect(model.eosTokenIds).toEqual([1263, 1261]);
  expect(model.generationDefaults).toEqual({ temperature: 0 });
  expect(model.weightBytes).toBe(762112);
  expect(model.spec.files).toEqual([{ path: `${FIXTURE}/model.safetensors`, bytes: expect.any(Number) }]);
  expect(model.spec.tensors.map((tensor) => tensor.name)).toContain("model.layers.5.self_attn.q_proj.scales");
});
