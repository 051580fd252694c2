/** A request's input as token ids, with the reader that suits what it asks for. */
import type { ChatTemplate } from "../chat/template.js";
import { PunieError } from "../errors.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { type AnswerReader, createAnswerReader } from "./answer-reader.js";
import { invalidOption } from "./options.js";
import type { CheckedRequest } from "./request.js";

const THINK = "<think>";

export interface ReadPrompt {
  promptIds: Uint32Array;
  reader: AnswerReader;
}

/** @throws PunieError `INVALID_OPTION`, `MODEL_UNSUPPORTED` or `MODEL_CORRUPT` */
export async function readPrompt(
  { input, stop }: CheckedRequest,
  tokenizer: Tokenizer,
  template: ChatTemplate,
  vocabSize: number,
): Promise<ReadPrompt> {
  if (input.kind === "ids") return { promptIds: input.ids, reader: createAnswerReader({ stop }) };
  if (input.kind === "text") {
    return { promptIds: await encodeText(input.text, tokenizer, vocabSize), reader: createAnswerReader({ stop }) };
  }
  const prompt = await template.render(input.messages, { tools: input.tools });
  const ids = await tokenizer.encode(prompt);
  if (ids.length === 0) {
    const what = prompt === "" ? "The chat template makes no text" : "tokenizer.json makes no tokens";
    throw new PunieError("MODEL_CORRUPT", `${what} of these messages.`);
  }
  const reasoning = template.text?.includes(THINK) ? { startsInside: prompt.trimEnd().endsWith(THINK) } : undefined;
  return {
    promptIds: checkEncoded(ids, vocabSize),
    reader: createAnswerReader({ stop, reasoning, tools: input.tools }),
  };
}

/**
 * A raw text's ids, with what the tokenizer puts around one.
 *
 * @throws PunieError `INVALID_OPTION` when there are none, `MODEL_CORRUPT` for ids that the model lacks
 */
export async function encodeText(text: string, tokenizer: Tokenizer, vocabSize: number): Promise<Uint32Array> {
  return checkEncoded(await encodeRaw(text, tokenizer), vocabSize);
}

/** With the beginning-of-text token, for a model that has one, unless the text already begins with it. */
async function encodeRaw(text: string, tokenizer: Tokenizer): Promise<number[]> {
  const ids = await tokenizer.encode(text, { addSpecialTokens: true });
  const [first, second] = ids;
  if (first === undefined || first !== second || !tokenizer.isSpecial(first)) return ids;
  return tokenizer.encode(text);
}

function checkEncoded(ids: readonly number[], vocabSize: number): Uint32Array {
  if (ids.length === 0) throw invalidOption("prompt", "at least one token", "");
  const beyond = ids.find((id) => id >= vocabSize);
  if (beyond !== undefined) {
    const message = `tokenizer.json gives token ${beyond}, but config.json's vocab_size is ${vocabSize}: they don't belong together.`;
    throw new PunieError("MODEL_CORRUPT", message);
  }
  return Uint32Array.from(ids);
}
