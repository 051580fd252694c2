import type { ReadConfig } from "./architecture.js";
import { readLlama, readMistral } from "./llama.js";
import { readQwen2 } from "./qwen2.js";
import { readQwen2Moe } from "./qwen2-moe.js";
import { readQwen3 } from "./qwen3.js";
import { readQwen35, readQwen35Moe } from "./qwen3-5.js";
import { readQwen3Moe } from "./qwen3-moe.js";
import { readQwen3Next } from "./qwen3-next.js";

/** Architectures that the engine has, by config.json's `model_type`: one row here, one in native/models/registry.cc. */
export const ARCHITECTURES = {
  llama: readLlama,
  mistral: readMistral,
  qwen2: readQwen2,
  qwen2_moe: readQwen2Moe,
  qwen3: readQwen3,
  qwen3_5: readQwen35,
  qwen3_5_moe: readQwen35Moe,
  qwen3_moe: readQwen3Moe,
  qwen3_next: readQwen3Next,
} as const satisfies Record<string, ReadConfig>;
