/** The keys of config.json that many architectures share, and how far each may go. */
import { z } from "zod";
import { PunieError } from "../errors.js";
import { ropeFields } from "./rope-config.js";

// Several times the largest model there is: what is beyond is a broken or hostile file, refused before it is allocated.
const MAX_HIDDEN_SIZE = 65_536;
const MAX_INTERMEDIATE_SIZE = 1_048_576;
const MAX_LAYERS = 1024;
export const MAX_HEADS = 4096;
export const MAX_HEAD_DIM = 1024;
const MAX_VOCAB_SIZE = 4_194_304;
const MAX_POSITIONS = 134_217_728;

/** A whole number from 1 to `max`. */
export function size(max: number) {
  const message = `expected a whole number from 1 to ${max}`;
  return z.number({ error: message }).int(message).min(1, message).max(max, message);
}

export function flag() {
  return z.boolean({ error: "expected true or false" }).nullish();
}

const rmsNormEps = "expected a number above 0 and below 1";

export const commonFields = {
  hidden_size: size(MAX_HIDDEN_SIZE),
  num_hidden_layers: size(MAX_LAYERS),
  intermediate_size: size(MAX_INTERMEDIATE_SIZE),
  num_attention_heads: size(MAX_HEADS),
  num_key_value_heads: size(MAX_HEADS).nullish(),
  head_dim: size(MAX_HEAD_DIM).nullish(),
  vocab_size: size(MAX_VOCAB_SIZE),
  rms_norm_eps: z.number({ error: rmsNormEps }).gt(0, rmsNormEps).lt(1, rmsNormEps),
  max_position_embeddings: size(MAX_POSITIONS).nullish(),
  tie_word_embeddings: flag(),
  layer_types: z.array(z.string(), { error: "expected a list of names" }).nullish(),
  sliding_window: size(MAX_POSITIONS).nullish(),
  ...ropeFields,
};

export type CommonFields = z.output<z.ZodObject<typeof commonFields>>;

/** Head counts that go together: `keyValueHeads` divides `attentionHeads`, and a head has an even size. */
export function readHeads(
  fields: Pick<CommonFields, "hidden_size" | "num_attention_heads" | "num_key_value_heads">,
  ownHeadDim: number | null | undefined,
  file: string,
): { attentionHeads: number; keyValueHeads: number; headDim: number } {
  const attentionHeads = fields.num_attention_heads;
  const keyValueHeads = fields.num_key_value_heads ?? attentionHeads;
  const headDim = ownHeadDim ?? Math.floor(fields.hidden_size / attentionHeads);
  if (attentionHeads % keyValueHeads !== 0) {
    throw new PunieError(
      "MODEL_CORRUPT",
      `${file}: num_attention_heads: expected a multiple of num_key_value_heads (${keyValueHeads}), found ${attentionHeads}.`,
    );
  }
  if (headDim < 2 || headDim % 2 !== 0 || headDim > MAX_HEAD_DIM) {
    throw new PunieError(
      "MODEL_CORRUPT",
      `${file}: head_dim (or hidden_size / num_attention_heads): expected an even number from 2 to ${MAX_HEAD_DIM}, found ${headDim}.`,
    );
  }
  return { attentionHeads, keyValueHeads, headDim };
}
