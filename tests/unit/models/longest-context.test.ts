import { expect, test } from "vitest";
import { parseConfig } from "../../../src/models/config.js";
import { longestContext } from "../../../src/models/longest-context.js";

const base = {
  model_type: "qwen3",
  hidden_size: 64,
  num_hidden_layers: 1,
  intermediate_size: 64,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  rms_norm_eps: 1e-6,
  vocab_size: 64,
  max_position_embeddings: 32_768,
};

test.each([
  [undefined, 32_768],
  [{ rope_type: "linear", factor: 4 }, 32_768],
  [{ rope_type: "yarn", factor: 4, original_max_position_embeddings: 32_768 }, 131_072],
  [{ rope_type: "yarn", factor: 4, original_max_position_embeddings: 4096 }, 32_768],
  [{ rope_type: "dynamic", factor: 2.5 }, 81_920],
])("with rope_scaling %j a model takes %i positions", (scaling, positions) => {
  const { config } = parseConfig({ ...base, rope_scaling: scaling }, "config.json");
  expect(longestContext(config)).toBe(positions);
});
