import { z } from "zod";
import { PunieError } from "../../errors.js";
import type { ExpertsConfig } from "../../native/binding-types.js";
import { flag, size } from "../config-fields.js";

const MAX_EXPERTS = 65_536;
const MAX_INTERMEDIATE_SIZE = 1_048_576;

const wholeNumber = z.number({ error: "expected a whole number" }).int("expected a whole number").min(0);

/** The keys of config.json about a mixture of experts. */
export const expertFields = {
  num_experts: size(MAX_EXPERTS),
  num_experts_per_tok: size(MAX_EXPERTS),
  moe_intermediate_size: size(MAX_INTERMEDIATE_SIZE),
  shared_expert_intermediate_size: wholeNumber.max(MAX_INTERMEDIATE_SIZE).nullish(),
  norm_topk_prob: flag(),
  decoder_sparse_step: size(MAX_EXPERTS).nullish(),
  mlp_only_layers: z.array(wholeNumber, { error: "expected a list of layers" }).nullish(),
};

type ExpertFields = z.output<z.ZodObject<typeof expertFields>> & { num_hidden_layers: number };

/**
 * Which layers have experts, `decoder_sparse_step` and `mlp_only_layers` considered, and what they are.
 *
 * @throws PunieError `MODEL_CORRUPT` when a token is to go to more experts than there are.
 */
export function readExperts(fields: ExpertFields, file: string): ExpertsConfig {
  if (fields.num_experts_per_tok > fields.num_experts) {
    throw new PunieError(
      "MODEL_CORRUPT",
      `${file}: num_experts_per_tok: expected at most num_experts (${fields.num_experts}), found ${fields.num_experts_per_tok}.`,
    );
  }
  const step = fields.decoder_sparse_step ?? 1;
  const dense = new Set(fields.mlp_only_layers ?? []);
  return {
    count: fields.num_experts,
    perToken: fields.num_experts_per_tok,
    intermediateSize: fields.moe_intermediate_size,
    sharedIntermediateSize: fields.shared_expert_intermediate_size ?? 0,
    normalizeShares: fields.norm_topk_prob ?? false,
    layers: Array.from(
      { length: fields.num_hidden_layers },
      (_, layer) => !dense.has(layer) && (layer + 1) % step === 0,
    ),
  };
}
