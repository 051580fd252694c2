import { parseWith } from "../schema-error.js";
import type { ReadConfig } from "./architecture.js";
import { expertFields, readExperts } from "./experts.js";
import { qwen3Fields, readQwen3As } from "./qwen3.js";

const fields = qwen3Fields.extend(expertFields);

/** Qwen3-30B-A3B, Qwen3-Coder-30B-A3B and their kind. */
export const readQwen3Moe: ReadConfig = (json, file) => {
  const read = parseWith(fields, json, file);
  return {
    ...readQwen3As("qwen3_moe", read, file),
    // No expert is shared, whatever the key says.
    experts: { ...readExperts(read, file), sharedIntermediateSize: 0 },
  };
};
