import type { ReadConfig } from "./architecture.js";
import { readLlama, readMistral } from "./llama.js";
import { readQwen2 } from "./qwen2.js";
import { readQwen2Moe } from "./qwen2-moe.js";
import { readQwen3 } from "./qwen3.js";
import { readQwen3Moe } from "./qwen3-moe.js";

/** Architectures that the engine has, by config.json's `model_type`: one row here, one in native/models/registry.cc. */
export const ARCHITECTURES = {
  llama: readLlama,
  mistral: readMistral,
  qwen2: readQwen2,
  qwen2_moe: readQwen2Moe,
  qwen3: readQwen3,
  qwen3_moe: readQwen3Moe,
} as const satisfies Record<string, ReadConfig>;
