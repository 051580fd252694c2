import { readFile } from "node:fs/promises";
import { Tokenizer } from "@huggingface/tokenizers";
import { describe, expect, it } from "vitest";
import type { GgufMetadata, GgufValue } from "../../../src/convert/gguf/gguf-metadata.js";
import { GgufReader } from "../../../src/convert/gguf/gguf-reader.js";
import { readTokenizer } from "../../../src/convert/gguf/gguf-tokenizer.js";

const FIXTURES = new URL("../../fixtures/gguf/", import.meta.url);
const VOCAB_SIZE = 284;

const expected: { template: string; texts: { text: string; ids: number[] }[] } = JSON.parse(
  await readFile(new URL("tiny-llama.expected.json", FIXTURES), "utf8"),
);
const reader = await GgufReader.open(new URL("tiny-llama.gguf", FIXTURES).pathname);
const { metadata } = reader.header;
await reader.close();

const read = (changes: Record<string, GgufValue> = {}) =>
  readTokenizer(new Map([...metadata, ...Object.entries(changes)]) as GgufMetadata, VOCAB_SIZE, 512, "x.gguf");

const tokenizerOf = ({ tokenizer, tokenizerConfig }: ReturnType<typeof read>) =>
  new Tokenizer(tokenizer, tokenizerConfig);

describe("a GGUF file's tokenizer", () => {
  it.each(expected.texts)("gives the ids that the Python library gives for $text", ({ text, ids }) => {
    const tokenizer = tokenizerOf(read());
    expect(tokenizer.encode(text).ids).toEqual(ids);
    expect(tokenizer.decode(ids, { skip_special_tokens: false })).toBe(text);
  });

  it("takes digits one by one", () => {
    expect(tokenizerOf(read()).encode("2024").tokens).toEqual(["2", "0", "2", "4"]);
  });

  it("names special tokens, template and length in tokenizer_config.json", () => {
    expect(read().tokenizerConfig).toMatchObject({
      tokenizer_class: "PreTrainedTokenizerFast",
      add_bos_token: false,
      bos_token: "<|im_start|>",
      eos_token: "<|im_end|>",
      unk_token: null,
      pad_token: null,
      model_max_length: 512,
      chat_template: expected.template,
    });
  });

  it("marks control tokens as special, user-defined ones not, and leaves unused ones out", () => {
    const { tokenizer, tokenizerConfig } = read();
    const special = (id: number) => expect.objectContaining({ id, special: true, normalized: false });
    expect(tokenizer.added_tokens).toEqual([
      special(0),
      special(1),
      special(2),
      expect.objectContaining({ content: "<tool>", special: false }),
    ]);
    expect(Object.keys(tokenizerConfig.added_tokens_decoder as object)).toEqual(["0", "1", "2", "281"]);
    expect((tokenizer.model as { vocab: object }).vocab).not.toHaveProperty("[PAD0]");
  });

  it("puts the first token before every text where the file says so", () => {
    const tokenizer = tokenizerOf(read({ "tokenizer.ggml.add_bos_token": true }));
    const plain = tokenizerOf(read()).encode("add").ids;
    expect(tokenizer.encode("add").ids).toEqual([1, ...plain]);
    expect(tokenizer.encode("add", { add_special_tokens: false }).ids).toEqual(plain);
  });

  it("normalizes for qwen2 and takes GPT-2's digits together", () => {
    const qwen = tokenizerOf(read({ "tokenizer.ggml.pre": "qwen2" }));
    expect(qwen.encode("e\u0301").ids).toEqual(qwen.encode("\u00e9").ids);
    expect(read({ "tokenizer.ggml.pre": "gpt-2" }).tokenizer.pre_tokenizer).toMatchObject({
      type: "ByteLevel",
      use_regex: true,
    });
  });

  it("keeps a token called __proto__", () => {
    const tokens = [...(metadata.get("tokenizer.ggml.tokens") as string[])];
    tokens[281] = "__proto__";
    const { tokenizer } = read({ "tokenizer.ggml.tokens": tokens });
    expect(JSON.stringify(tokenizer)).toContain('"__proto__":281');
  });

  it.each<[string, Record<string, GgufValue>, string, string]>([
    ["tokens that aren't text", { "tokenizer.ggml.tokens": [1, 2] }, "MODEL_CORRUPT", "tokenizer.ggml.tokens"],
    [
      "more tokens than rows",
      { "tokenizer.ggml.tokens": Array.from({ length: 285 }, String) },
      "MODEL_CORRUPT",
      "285 tokens",
    ],
    ["types for some tokens only", { "tokenizer.ggml.token_type": [1] }, "MODEL_CORRUPT", "1 token types"],
    ["a merge of three", { "tokenizer.ggml.merges": ["a b c"] }, "MODEL_CORRUPT", "merge 0"],
    ["a merge to an unknown token", { "tokenizer.ggml.merges": ["z z"] }, "MODEL_CORRUPT", "merge 0"],
    ["a template that isn't text", { "tokenizer.chat_template": 5 }, "MODEL_CORRUPT", "tokenizer.chat_template"],
    ["an id that isn't one", { "tokenizer.ggml.bos_token_id": -1 }, "MODEL_CORRUPT", "bos_token_id"],
    [
      "an inherited property as its rule",
      { "tokenizer.ggml.pre": "constructor" },
      "MODEL_UNSUPPORTED",
      "'constructor'",
    ],
  ])("is refused with %s", (_, changes, code, cause) => {
    expect(() => read(changes)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(cause) }));
  });
});
