/** The tokens that end an answer. */
import type { ChatTemplate } from "../chat/template.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";

/** Ends of a turn, as templates of the families served write them (ChatML, Llama 3, Gemma, Phi). */
const END_OF_TURN_TOKENS = ["<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>"];

/**
 * The ids that the model's files name, else the tokenizer's end of text, as in mlx-lm; and the end of turn that its
 * template writes: a model's `eos_token_id` is often its base model's end of text alone, which a chat never reaches.
 */
export async function endTokenIds(
  eosTokenIds: readonly number[],
  template: ChatTemplate,
  tokenizer: Tokenizer,
): Promise<number[]> {
  const ids = new Set(eosTokenIds);
  const ofTurn = END_OF_TURN_TOKENS.filter((token) => template.text?.includes(token));
  const ofText = eosTokenIds.length === 0 && template.endOfText !== undefined ? [template.endOfText] : [];
  for (const token of [...ofText, ...ofTurn]) {
    const [id, ...others] = await tokenizer.encode(token);
    if (id !== undefined && others.length === 0 && tokenizer.isSpecial(id)) ids.add(id);
  }
  return [...ids];
}
