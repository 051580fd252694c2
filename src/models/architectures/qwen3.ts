import { z } from "zod";
import type { NativeModelConfig } from "../../native/binding-types.js";
import { commonFields, MAX_HEADS, size } from "../config-fields.js";
import { parseWith } from "../schema-error.js";
import { type ReadConfig, readDecoder } from "./architecture.js";
import { readWindows, windowFields } from "./windows.js";

export const qwen3Fields = z.object({ ...commonFields, ...windowFields, num_key_value_heads: size(MAX_HEADS) });

/** Qwen3, its embedding models and rerankers. */
export const readQwen3: ReadConfig = (json, file) => readQwen3As("qwen3", parseWith(qwen3Fields, json, file), file);

/** What Qwen3 and its mixtures of experts share. */
export function readQwen3As(modelType: string, read: z.output<typeof qwen3Fields>, file: string): NativeModelConfig {
  const defaults = {
    modelType,
    ropeTheta: 1_000_000,
    maxPositionEmbeddings: 40_960,
    tieWordEmbeddings: false,
    headDim: read.head_dim,
  };
  return { ...readDecoder(read, defaults, file), ...readWindows(read, file) };
}
