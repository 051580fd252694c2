import { expect, test } from "vitest";
import { endTokenIds } from "../../../src/api/end-tokens.js";
import type { ChatTemplate } from "../../../src/chat/template.js";
import type { Tokenizer } from "../../../src/tokenizer/tokenizer.js";

const SPECIAL: Record<string, number> = { "</s>": 2, "<|im_end|>": 7 };
const tokenizer = {
  encode: async (text: string) => (text in SPECIAL ? [SPECIAL[text]] : [100, 101]),
  isSpecial: (id: number) => id < 100,
} as unknown as Tokenizer;

const ends = (ids: number[], text?: string, endOfText?: string) =>
  endTokenIds(ids, { text, endOfText } as ChatTemplate, tokenizer);

test.each([
  ["what the files name", [5], undefined, "</s>", [5]],
  ["the template's end of turn too", [5], "a<|im_end|>b", "</s>", [5, 7]],
  ["the tokenizer's end of text, where the files name none", [], undefined, "</s>", [2]],
  ["both", [], "a<|im_end|>b", "</s>", [2, 7]],
  ["one that is the same", [], "a<|im_end|>b", "<|im_end|>", [7]],
  ["no text that is no token", [], "plain", "the end", []],
])("an answer ends at %s", async (_, ids, text, endOfText, expected) => {
  expect(await ends(ids, text, endOfText)).toEqual(expected);
});
