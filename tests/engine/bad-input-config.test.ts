/** Model directories with damaged JSON files: each is refused at once, by code, with file and cause in the message. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { writeRandomModel } from "../helpers/random-model.js";
import { configText, configWith, SMALL, tinyWith } from "../helpers/random-model-damage.js";
import { describeRefused, type RefusedModel } from "../helpers/refused-model.js";

const configs: RefusedModel[] = [
  {
    what: "no config.json",
    damage: async (directory) => {
      await writeRandomModel(SMALL, directory);
      await rm(join(directory, "config.json"));
    },
    code: "MODEL_CORRUPT",
    says: /config\.json/,
  },
  { what: "an empty config.json", damage: configText(""), code: "MODEL_CORRUPT", says: /config\.json/ },
  {
    what: "config.json cut short",
    damage: configText('{"model_type":"ll'),
    code: "MODEL_CORRUPT",
    says: /config\.json.*JSON/,
  },
  { what: "config.json an array", damage: configText("[]"), code: "MODEL_CORRUPT", says: /config\.json.*object/ },
  { what: "config.json null", damage: configText("null"), code: "MODEL_CORRUPT", says: /config\.json.*object/ },
  {
    what: "config.json of many megabytes",
    damage: configText(`{"model_type":"llama","x":"${"x".repeat(3_000_000)}"}`),
    code: "MODEL_CORRUPT",
    says: /config\.json/,
  },
  {
    what: "config.json nested without end",
    damage: configText("[".repeat(500_000)),
    code: "MODEL_CORRUPT",
    says: /config\.json/,
  },
  ...["hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads", "vocab_size"].flatMap((key) =>
    [undefined, null, "64", 64.5, 0, -64, 1e9, 1e300, 2 ** 53, {}, [64]].map(
      (value): RefusedModel => ({
        what: `${key} ${value === undefined ? "absent" : JSON.stringify(value)}`,
        damage: configWith({ [key]: value }),
        code: "MODEL_CORRUPT",
        says: new RegExp(`config\\.json.*${key}`),
      }),
    ),
  ),
  ...[
    { rms_norm_eps: "small" },
    { rms_norm_eps: -1 },
    { rope_theta: 0 },
    { rope_theta: "big" },
    { rope_traditional: "yes" },
    { tie_word_embeddings: 1 },
    { attention_bias: "no" },
    { max_position_embeddings: 0 },
    { max_position_embeddings: 1e30 },
    { num_key_value_heads: 3 },
    { head_dim: 0 },
    { head_dim: 31 },
    { head_dim: 1e6 },
    { rope_scaling: "linear" },
    { rope_scaling: { type: "linear" } },
    { rope_scaling: { type: "linear", factor: 0 } },
    { rope_scaling: { rope_type: "llama3", factor: -8 } },
    { quantization: "4bit" },
    { eos_token_id: "the end" },
    { eos_token_id: -1 },
  ].map(
    (changes): RefusedModel => ({
      what: JSON.stringify(changes),
      damage: configWith(changes),
      code: "MODEL_CORRUPT",
      says: new RegExp(`config\\.json.*${Object.keys(changes)[0]}`),
    }),
  ),
  ...[
    { model_type: "gpt_oss" },
    { model_type: "../llama" },
    { model_type: "__proto__" },
    { rope_scaling: { type: "longrope", factor: 4 } },
    { hidden_act: "gelu" },
    { quantization: { group_size: 64, bits: 7 } },
    { quantization: { group_size: 48, bits: 4 } },
    { quantization: { group_size: 64, bits: "4" } },
    { quantization: { group_size: 64, bits: 4, mode: "mxfp4" } },
    { quantization: undefined, quantization_config: { quant_method: "gptq", bits: 4 } },
  ].map(
    (changes): RefusedModel => ({
      what: JSON.stringify(changes),
      damage: configWith(changes),
      code: "MODEL_UNSUPPORTED",
      says: new RegExp(`config\\.json.*${Object.keys(changes).at(-1)}`),
    }),
  ),
];

const tokenizers: RefusedModel[] = [
  {
    what: "a tokenizer.json that is not JSON",
    damage: tinyWith("tokenizer.json", (text) => text.slice(0, 1000)),
    says: /tokenizer\.json.*JSON/,
  },
  {
    what: "a tokenizer.json without a model",
    damage: tinyWith("tokenizer.json", () => "{}"),
    says: /tokenizer\.json.*model/,
  },
  {
    what: "a tokenizer.json with a vocabulary of texts",
    damage: tinyWith("tokenizer.json", (text) => text.replace(/"vocab":\s*\{/, '"vocab":{"no such token":"y",')),
    says: /tokenizer\.json.*vocab/,
  },
  {
    what: "a tokenizer_config.json that is not JSON",
    damage: tinyWith("tokenizer_config.json", () => "{"),
    says: /tokenizer_config\.json.*JSON/,
  },
  {
    what: "a generation_config.json that is not JSON",
    damage: tinyWith("generation_config.json", () => "{"),
    says: /generation_config\.json/,
  },
].map((row): RefusedModel => ({ code: "MODEL_CORRUPT", ...row }));

describeRefused([...configs, ...tokenizers]);
