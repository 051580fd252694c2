import { expect, test } from "vitest";
import { PunieError } from "../../../src/errors.js";
import { parseConfig } from "../../../src/models/config.js";

const FILE = "/models/x/config.json";

const QWEN2 = {
  model_type: "qwen2",
  hidden_size: 896,
  num_hidden_layers: 24,
  intermediate_size: 4864,
  num_attention_heads: 14,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-6,
  vocab_size: 151936,
};
const LLAMA = { ...QWEN2, model_type: "llama", num_attention_heads: 16, num_key_value_heads: 4, hidden_size: 1024 };

function parse(more: object, base: object = QWEN2) {
  return parseConfig(JSON.parse(JSON.stringify({ ...base, ...more })), FILE);
}

function failure(more: object, base: object = QWEN2): PunieError {
  try {
    parse(more, base);
  } catch (error) {
    if (error instanceof PunieError) return error;
    throw error;
  }
  throw new Error(`parsed, which was not expected: ${JSON.stringify(more)}`);
}

test("qwen2 has mlx-lm's defaults", () => {
  expect(parse({}).config).toEqual({
    modelType: "qwen2",
    hiddenSize: 896,
    hiddenLayers: 24,
    intermediateSize: 4864,
    attentionHeads: 14,
    keyValueHeads: 2,
    headDim: 64,
    vocabSize: 151936,
    rmsNormEps: 1e-6,
    ropeTheta: 1_000_000,
    ropeDimensions: 64,
    ropeTraditional: false,
    maxPositionEmbeddings: 32768,
    tieWordEmbeddings: true,
    attentionBias: true,
    mlpBias: false,
  });
});

test("llama has mlx-lm's defaults: as many key heads as heads, theta 10,000, no biases", () => {
  const { num_key_value_heads: _left, ...rest } = LLAMA;
  expect(parse({}, rest).config).toMatchObject({
    keyValueHeads: 16,
    headDim: 64,
    ropeTheta: 10_000,
    tieWordEmbeddings: true,
    attentionBias: false,
    mlpBias: false,
  });
});

test("llama takes its own head_dim, qwen2 has none", () => {
  expect(parse({ head_dim: 128 }, LLAMA).config.headDim).toBe(128);
  expect(parse({ head_dim: 128 }).config.headDim).toBe(64);
});

test("qwen3 takes its own head_dim, and ties nothing unless told", () => {
  const qwen3 = { ...QWEN2, model_type: "qwen3", num_attention_heads: 16, head_dim: 128 };
  expect(parse({}, qwen3).config).toMatchObject({ headDim: 128, attentionBias: false, tieWordEmbeddings: false });
});

const MOE = {
  ...QWEN2,
  num_hidden_layers: 4,
  num_experts: 8,
  num_experts_per_tok: 2,
  moe_intermediate_size: 128,
  shared_expert_intermediate_size: 256,
};

test("layers have experts but for those that mlp_only_layers and decoder_sparse_step leave out", () => {
  const own = { mlp_only_layers: [3], decoder_sparse_step: 2, norm_topk_prob: true };
  expect(parse(own, { ...MOE, model_type: "qwen2_moe" }).config.experts).toEqual({
    count: 8,
    perToken: 2,
    intermediateSize: 128,
    sharedIntermediateSize: 256,
    normalizeShares: true,
    layers: [false, true, false, false],
  });
  expect(parse({}, { ...MOE, model_type: "qwen3_moe" }).config.experts).toMatchObject({
    sharedIntermediateSize: 0,
    layers: [true, true, true, true],
  });
});

const LINEAR = {
  linear_num_key_heads: 16,
  linear_num_value_heads: 32,
  linear_key_head_dim: 128,
  linear_value_head_dim: 128,
  linear_conv_kernel_dim: 4,
};

test("qwen3_next has linear attention but in each fourth layer, and turns a quarter of a head", () => {
  const next = { ...MOE, ...LINEAR, model_type: "qwen3_next", num_attention_heads: 16, head_dim: 256 };
  expect(parse({ partial_rotary_factor: 0.25 }, next).config).toMatchObject({
    layerTypes: ["linear_attention", "linear_attention", "linear_attention", "full_attention"],
    linearAttention: { keyHeads: 16, valueHeads: 32, keyHeadDim: 128, valueHeadDim: 128, convKernelSize: 4 },
    headDim: 256,
    ropeDimensions: 64,
    experts: { sharedIntermediateSize: 256 },
  });
});

test("qwen3_5 keeps its keys in text_config, and what rope_parameters say wins", () => {
  const text = {
    ...QWEN2,
    ...LINEAR,
    num_attention_heads: 16,
    head_dim: 256,
    rope_theta: 5,
    rope_parameters: { rope_type: "default", mrope_section: [11, 11, 10], rope_theta: 1e7, partial_rotary_factor: 0.5 },
  };
  const { config } = parse({}, { model_type: "qwen3_5", text_config: text, vision_config: { depth: 27 } });
  expect(config).toMatchObject({ modelType: "qwen3_5", ropeTheta: 1e7, ropeDimensions: 128, tieWordEmbeddings: false });
  expect(parse({}, { ...text, model_type: "qwen3_5" }).config).toEqual(config);
  const { intermediate_size: _dense, ...rest } = text;
  const moe = { ...rest, num_experts: 8, num_experts_per_tok: 2, moe_intermediate_size: 64 };
  expect(parse({}, { model_type: "qwen3_5_moe", text_config: moe }).config.experts).toMatchObject({
    count: 8,
    normalizeShares: true,
  });
});

test("layers have a window where layer_types says so, else from max_window_layers on, else all of mistral's", () => {
  const window = { sliding_window: 512, num_hidden_layers: 3 };
  const sliding = "sliding_attention",
    full = "full_attention";
  expect(parse({ ...window, layer_types: [full, sliding, full] }, LLAMA).config).toMatchObject({
    layerTypes: [full, sliding, full],
    slidingWindow: 512,
  });
  expect(parse({ ...window, use_sliding_window: true, max_window_layers: 2 }).config).toMatchObject({
    layerTypes: [full, full, sliding],
    slidingWindow: 512,
  });
  expect(parse({ ...window, use_sliding_window: false, max_window_layers: 2 }).config).not.toHaveProperty("layerTypes");
  expect(parse({ ...window, model_type: "mistral" }, LLAMA).config.layerTypes).toEqual([sliding, sliding, sliding]);
  expect(parse({ ...window, sliding_window: null, model_type: "mistral" }, LLAMA).config.layerTypes).toBeUndefined();
});

test("null stands for a default, as transformers writes it", () => {
  const config = parse(
    { head_dim: null, rope_scaling: null, max_position_embeddings: null, layer_types: null },
    LLAMA,
  ).config;
  expect(config).toMatchObject({ headDim: 64, maxPositionEmbeddings: 2048 });
  expect(config).not.toHaveProperty("ropeScaling");
});

test.each([
  [{ rope_theta: 5e5 }, { ropeTheta: 5e5 }],
  [{ rope_parameters: { rope_theta: 5e5, rope_type: "default" } }, { ropeTheta: 5e5 }],
  [{ rope_theta: 7e5, rope_parameters: { rope_theta: 5e5 } }, { ropeTheta: 7e5 }],
  [{ rope_scaling: { type: "linear", factor: 4 } }, { ropeScaling: { type: "linear", factor: 4 } }],
  [
    { rope_scaling: { rope_type: "llama3", factor: 32, low_freq_factor: 1, high_freq_factor: 4 } },
    {
      ropeScaling: {
        type: "llama3",
        factor: 32,
        lowFreqFactor: 1,
        highFreqFactor: 4,
        originalMaxPositionEmbeddings: 8192,
      },
    },
  ],
  [
    { rope_parameters: { rope_theta: 5e5, rope_type: "llama3", factor: 8 } },
    { ropeTheta: 5e5, ropeScaling: expect.objectContaining({ type: "llama3", factor: 8 }) },
  ],
  [{ rope_traditional: true }, { ropeTraditional: true }],
  [{ rope_scaling: { type: "dynamic", factor: 2 } }, { ropeScaling: { type: "dynamic", factor: 2 } }],
  [
    { rope_scaling: { rope_type: "yarn", factor: 4, original_max_position_embeddings: 32768 } },
    {
      ropeScaling: {
        type: "yarn",
        factor: 4,
        originalMaxPositionEmbeddings: 32768,
        betaFast: 32,
        betaSlow: 1,
        mscale: 1,
        mscaleAllDim: 0,
      },
    },
  ],
])("rotary embedding of %j", (more, expected) => {
  expect(parse(more, LLAMA).config).toMatchObject(expected);
});

test("a per-layer quantization table: own settings, the default one, and layers left as they are", () => {
  const own = { group_size: 32, bits: 8 };
  const nvfp4 = { group_size: 16, bits: 4, mode: "nvfp4", global_scale: true };
  const quantization = {
    group_size: 64,
    bits: 4,
    "model.embed_tokens": own,
    lm_head: true,
    "model.layers.0.mlp.up_proj": false,
    "model.layers.1.mlp.up_proj": { bits: 6 },
    "model.layers.2.mlp.up_proj": nvfp4,
    "model.layers.3.mlp.up_proj": { mode: "mxfp8" },
  };
  expect(parse({ quantization, quantization_config: quantization }).quantization).toEqual({
    defaults: { mode: "affine", bits: 4, groupSize: 64 },
    layers: {
      "model.embed_tokens": { mode: "affine", bits: 8, groupSize: 32 },
      lm_head: { mode: "affine", bits: 4, groupSize: 64 },
      "model.layers.0.mlp.up_proj": false,
      "model.layers.1.mlp.up_proj": { mode: "affine", bits: 6, groupSize: 64 },
      "model.layers.2.mlp.up_proj": { mode: "nvfp4", bits: 4, groupSize: 16 },
      "model.layers.3.mlp.up_proj": { mode: "mxfp8", bits: 8, groupSize: 32 },
    },
  });
});

test("a row that leaves something out means its mode's defaults, as in mlx-lm, not the table's", () => {
  const quantization = { group_size: 32, bits: 4, mode: "mxfp4", lm_head: { bits: 8 } };
  const { defaults, layers } = parse({ quantization }).quantization ?? {};
  expect(defaults).toEqual({ mode: "mxfp4", bits: 4, groupSize: 32 });
  expect(layers).toEqual({ lm_head: { mode: "affine", bits: 8, groupSize: 64 } });
});

test.each([
  ["mxfp4", 4],
  ["mxfp8", 8],
])("quantization_config with the method %s is that mode, as in mlx-lm", (mode, bits) => {
  expect(parse({ quantization_config: { quant_method: mode } }).quantization).toEqual({
    defaults: { mode, bits, groupSize: 32 },
    layers: {},
  });
});

test.each(["awq", "gptq"])("a checkpoint of %s names the command that converts it", (method) => {
  const { message } = failure({ quantization_config: { quant_method: method, bits: 4 } });
  expect(message).toContain("punie convert /models/x --output");
});

test("no quantization, or null, is none", () => {
  expect(parse({}).quantization).toBeUndefined();
  expect(parse({ quantization: null }).quantization).toBeUndefined();
});

test("quantization_config without a method is MLX's own spelling", () => {
  expect(parse({ quantization_config: { group_size: 32, bits: 8 } }).quantization?.defaults.bits).toBe(8);
});

test.each([
  [{ model_type: "mamba" }, 'model_type "mamba"'],
  [{ hidden_act: "gelu" }, 'hidden_act "gelu"'],
  [{ layer_types: ["linear_attention"] }, "linear_attention"],
  [{ rope_scaling: { type: "longrope", factor: 4 } }, 'rope_scaling.type "longrope"'],
  [{ rope_parameters: { rope_type: "su", factor: 4 } }, 'rope_parameters.type "su"'],
  [{ rope_parameters: { full_attention: { rope_theta: 1 } } }, "rope_parameters.full_attention"],
  [{ quantization: { mode: "mxint8", bits: 8, group_size: 32 } }, 'mode "mxint8"'],
  [{ quantization: { mode: "mxfp4", bits: 8, group_size: 32 } }, "bits 8"],
  [{ quantization: { mode: "mxfp8", bits: 8, group_size: 64 } }, "group_size 64"],
  [{ quantization: { mode: "nvfp4", bits: 4, group_size: 32 } }, "group_size 32"],
  [{ quantization_config: { quant_method: "nvfp4" } }, 'quant_method "nvfp4"'],
  [{ quantization: { bits: 7, group_size: 64 } }, "bits 7"],
  [{ quantization: { bits: 4, group_size: 16 } }, "group_size 16"],
  [{ quantization: { bits: "4", group_size: 64 } }, 'bits "4"'],
  [{ quantization: { group_size: 64 } }, "bits nothing"],
  [{ quantization: { bits: 4, group_size: 64, "model.norm": { bits: 9 } } }, '["model.norm"].bits 9'],
  [{ quantization_config: { quant_method: "gptq", bits: 4 } }, 'quant_method "gptq"'],
  [{ quantization_config: { quant_method: "awq", bits: 4 } }, 'quant_method "awq"'],
  [{ quantization_config: { quant_method: "fp8" } }, 'quant_method "fp8"'],
])("%j is MODEL_UNSUPPORTED, and named", (more, text) => {
  const error = failure(more);
  expect(error.code).toBe("MODEL_UNSUPPORTED");
  expect(error.message).toContain(text);
  expect(error.message).toContain(FILE);
});

test.each([
  [{ model_type: undefined }, "model_type"],
  [{ model_type: 5 }, "model_type"],
  [{ hidden_size: undefined }, "hidden_size"],
  [{ hidden_size: 0 }, "hidden_size"],
  [{ hidden_size: -896 }, "hidden_size"],
  [{ hidden_size: 896.5 }, "hidden_size"],
  [{ hidden_size: "896" }, "hidden_size"],
  [{ hidden_size: 1e9 }, "hidden_size"],
  [{ num_hidden_layers: 1e6 }, "num_hidden_layers"],
  [{ intermediate_size: 2 ** 40 }, "intermediate_size"],
  [{ vocab_size: 1e12 }, "vocab_size"],
  [{ num_key_value_heads: undefined }, "num_key_value_heads"],
  [{ num_key_value_heads: 4 }, "multiple of num_key_value_heads"],
  [{ num_attention_heads: 1024, num_key_value_heads: 2 }, "head_dim"],
  [{ hidden_size: 14 * 3 }, "head_dim"],
  [{ rms_norm_eps: 0 }, "rms_norm_eps"],
  [{ rms_norm_eps: "small" }, "rms_norm_eps"],
  [{ rope_theta: 0 }, "rope_theta"],
  [{ rope_parameters: { rope_theta: -1 } }, "rope_parameters.rope_theta"],
  [{ rope_scaling: { type: "linear" } }, "rope_scaling.factor"],
  [{ rope_scaling: { type: "llama3", factor: 1e9 } }, "rope_scaling.factor"],
  [{ rope_scaling: "linear" }, "rope_scaling"],
  [{ max_position_embeddings: 1e18 }, "max_position_embeddings"],
  [{ tie_word_embeddings: "yes" }, "tie_word_embeddings"],
  [{ layer_types: ["full_attention"] }, "layer_types"],
  [{ num_hidden_layers: 1, layer_types: ["sliding_attention"] }, "sliding_window"],
  [{ rope_scaling: { type: "yarn", factor: 4, beta_fast: 0 } }, "rope_scaling.beta_fast"],
  [{ quantization: [4] }, "quantization"],
  [{ ...MOE, model_type: "qwen3_moe", num_experts: 0 }, "num_experts"],
  [{ ...MOE, model_type: "qwen3_moe", num_experts_per_tok: 1e9 }, "num_experts_per_tok"],
  [{ ...MOE, model_type: "qwen3_moe", num_experts_per_tok: 9 }, "num_experts_per_tok"],
  [{ ...MOE, ...LINEAR, model_type: "qwen3_next", linear_key_head_dim: 0 }, "linear_key_head_dim"],
  [{ ...LINEAR, model_type: "qwen3_5", linear_num_value_heads: 24 }, "linear_num_value_heads"],
  [{ ...LINEAR, model_type: "qwen3_5", head_dim: 6, rope_parameters: {} }, "partial_rotary_factor"],
  [{ model_type: "qwen3_5", text_config: "none" }, "text_config"],
  [{ ...MOE, model_type: "qwen3_moe", mlp_only_layers: [-1] }, "mlp_only_layers"],
])("%j is MODEL_CORRUPT, with file and JSON path", (more, text) => {
  const error = failure(more);
  expect(error.code).toBe("MODEL_CORRUPT");
  expect(error.message).toContain(text);
  expect(error.message).toContain(FILE);
});

test.each([[null], [[]], ["text"], [5]])("a config.json of %j is MODEL_CORRUPT", (json) => {
  expect(() => parseConfig(json, FILE)).toThrow(expect.objectContaining({ code: "MODEL_CORRUPT" }));
});

test("a key named __proto__ is a key like others", () => {
  const json = JSON.parse(
    `{"quantization":{"bits":4,"group_size":64,"__proto__":{"bits":8,"group_size":32}}}`,
  ) as object;
  const { quantization } = parseConfig({ ...QWEN2, ...json }, FILE);
  expect(Object.getPrototypeOf(quantization?.layers)).toBe(Object.prototype);
});
