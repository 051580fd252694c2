import { z } from "zod";
import { commonFields, MAX_HEADS, size } from "../config-fields.js";
import { parseWith } from "../schema-error.js";
import { type ReadConfig, readDecoder } from "./architecture.js";
import { readWindows, windowFields } from "./windows.js";

const fields = z.object({
  ...commonFields,
  num_key_value_heads: size(MAX_HEADS),
  ...windowFields,
});

/** Qwen2 and Qwen2.5. A head_dim of its own is ignored, as in mlx-lm. */
export const readQwen2: ReadConfig = (json, file) => {
  const read = parseWith(fields, json, file);
  const defaults = {
    modelType: "qwen2",
    ropeTheta: 1_000_000,
    maxPositionEmbeddings: 32_768,
    tieWordEmbeddings: true,
  };
  return {
    ...readDecoder(read, defaults, file),
    ...readWindows(read, file),
    attentionBias: true,
  };
};
