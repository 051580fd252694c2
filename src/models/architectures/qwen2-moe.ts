import { z } from "zod";
import { commonFields, MAX_HEADS, size } from "../config-fields.js";
import { parseWith } from "../schema-error.js";
import { type ReadConfig, readDecoder } from "./architecture.js";
import { expertFields, readExperts } from "./experts.js";
import { readWindows, windowFields } from "./windows.js";

const fields = z.object({
  ...commonFields,
  ...expertFields,
  num_key_value_heads: size(MAX_HEADS).nullish(),
  ...windowFields,
});

/** Qwen1.5-MoE and Qwen2-MoE. Its output layer is its own, whatever tie_word_embeddings says: so in mlx-lm. */
export const readQwen2Moe: ReadConfig = (json, file) => {
  const read = parseWith(fields, json, file);
  const defaults = {
    modelType: "qwen2_moe",
    ropeTheta: 1_000_000,
    maxPositionEmbeddings: 32_768,
    tieWordEmbeddings: false,
  };
  return {
    ...readDecoder(read, defaults, file),
    ...readWindows(read, file),
    tieWordEmbeddings: false,
    attentionBias: true,
    experts: readExperts(read, file),
  };
};
