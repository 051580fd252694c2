import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadBinding } from "../../../src/native/binding.js";
import { loadTokenizer } from "../../../src/tokenizer/load-tokenizer.js";
import type { Tokenizer } from "../../../src/tokenizer/tokenizer.js";
import { temporaryDirectory } from "../../helpers/temporary-directory.js";
import { createRandom, directoryOf, goldens, QWEN, TINY } from "./goldens.js";

type Json = Record<string, unknown>;

const byteLevel = (use_regex: boolean) => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex,
});
const LLAMA3_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const splitBy = (Regex: string) => ({
  type: "Sequence",
  pretokenizers: [{ type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false }, byteLevel(false)],
});
const startOfText = {
  type: "TemplateProcessing",
  single: [{ SpecialToken: { id: "<|endoftext|>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
  pair: [],
  special_tokens: {},
};

/** A real vocabulary or the tiny one, changed; and a tokenizer_config.json. */
async function directoryWith(base: string, change: (spec: Json) => Json, config: Json = {}): Promise<string> {
  const spec = JSON.parse(await readFile(join(base, "tokenizer.json"), "utf8"));
  const directory = await temporaryDirectory("tokenizer");
  await writeFile(join(directory, "tokenizer.json"), JSON.stringify(change(spec)));
  await writeFile(join(directory, "tokenizer_config.json"), JSON.stringify(config));
  return directory;
}

const inModel = (spec: Json, members: Json): Json => ({ ...spec, model: { ...(spec.model as Json), ...members } });

const vocabularies: [name: string, directory: () => Promise<string>][] = [
  ["qwen2.5", async () => QWEN],
  ["tiny-coder", async () => TINY],
  ["smollm-style", () => directoryOf("smollm-style")],
  [
    "gpt-2's rules on qwen2.5",
    () => directoryWith(QWEN, (spec) => ({ ...spec, normalizer: null, pre_tokenizer: byteLevel(true) })),
  ],
  [
    "llama 3's rules on qwen2.5",
    () =>
      directoryWith(QWEN, (spec) =>
        inModel(
          {
            ...spec,
            normalizer: null,
            pre_tokenizer: splitBy(LLAMA3_PATTERN),
            post_processor: { type: "Sequence", processors: [byteLevel(true), startOfText] },
          },
          { ignore_merges: true },
        ),
      ),
  ],
  [
    "added tokens that text and normalization can make",
    () =>
      directoryWith(
        TINY,
        (spec) => ({
          ...spec,
          added_tokens: ["éé", "K;", "世界", "<|i", "<|im", "the cat", "\n\n", " x"].map((content, i) => ({
            id: 2000 + i,
            content,
            normalized: false,
            special: i % 2 === 0,
          })),
        }),
        {
          added_tokens_decoder: {
            "2101": { content: "<|b|>", special: true },
            "2100": { content: "ying\n", special: true },
          },
        },
      ),
  ],
];

// biome-ignore format: a table
const EXTRA_FRAGMENTS = [
  "\ud800", "\udc00", "\ud83d", "\u0378", "\u{e0001}", "\u{10ffff}", "\u{1d7ce}", "\u212a", "\u037e", "\u0338", "\u0301", "\u3099",
  "<tool_call>\u0338", "e\u0301e\u0301", "\u212a\u037e", "<|ie\u0301e\u0301<|i", "<|im_end|>\u0301", "the cat", "<|b|>", "'S", "'ſ", "'Re", "\u2028\n", " \r", "\t\t", "1234567", "a".repeat(70),
  "\u{113c2}\u{113c2}", "\u{1611e}\u{1611e}", "\u1100\u1161", "ab".repeat(40),
];

/** Of the goldens' fragments and of any code point, unassigned ones and half pairs with them. */
function* randomTexts(seed: number, count: number): Generator<string> {
  const random = createRandom(seed);
  const fragments = [...goldens.fragments, ...EXTRA_FRAGMENTS];
  for (let i = 0; i < count; i++) {
    let text = "";
    for (let left = 1 + random.below(30); left > 0; left--) {
      const fragment = fragments[random.below(fragments.length)] as string;
      if (fragment !== "RANDOM" && random.below(6) > 0) text += fragment;
      else text += String.fromCodePoint(random.below(2) ? random.below(0x3000) : random.below(0x110000));
    }
    yield text;
  }
}

describe.each(vocabularies)("the addon, with %s,", (_, directoryOfVocabulary) => {
  let native: Tokenizer;
  let library: Tokenizer;
  beforeAll(async () => {
    const directory = await directoryOfVocabulary();
    expect(await loadBinding().loadTokenizer(directory)).toMatchObject({ served: true });
    [native, library] = await Promise.all([loadTokenizer(directory), loadTokenizer(directory, { library: true })]);
  });
  afterAll(() => Promise.all([native.close(), library.close()]));

  async function differing(texts: string[], options = {}): Promise<string[]> {
    const ours = await Promise.all(texts.map((text) => native.encode(text, options)));
    const theirs = await Promise.all(texts.map((text) => library.encode(text, options)));
    return texts.filter((_, i) => JSON.stringify(ours[i]) !== JSON.stringify(theirs[i]));
  }

  it("has the library's vocabulary and special tokens", () => {
    expect(native.vocabSize).toBe(library.vocabSize);
    expect(native.specialTokenIds).toEqual(library.specialTokenIds);
    const ids = Array.from({ length: library.vocabSize }, (_, id) => id);
    expect(ids.filter((id) => native.tokenText(id) !== library.tokenText(id))).toEqual([]);
    expect(ids.filter((id) => native.isSpecial(id) !== library.isSpecial(id))).toEqual([]);
  });

  it("encodes random Unicode as the library does", async () => {
    expect(await differing([...randomTexts(11, 3000)])).toEqual([]);
  });

  it("takes added tokens for text as the library does", async () => {
    expect(await differing([...randomTexts(12, 1000)], { parseSpecial: false })).toEqual([]);
  });

  it("adds the post-processor's tokens as the library does", async () => {
    expect(
      await differing(["", "e\u0301e\u0301", "<|i\u212a\u037e<|i", ...randomTexts(13, 200)], {
        addSpecialTokens: true,
      }),
    ).toEqual([]);
  });

  it("encodes long texts, and long words, as the library does", async () => {
    const long = [...randomTexts(14, 2000)].join("");
    const words = ["a", "ab", " ", "é", "的", "=", "\n", "xyzzy"].map((word) => word.repeat(6000));
    expect(await differing([long, ...words])).toEqual([]);
  });
});

describe("the addon's tables", () => {
  it("class every code point of the first two planes as the library does", async () => {
    const directory = await directoryOf("tiny-coder");
    const native = await loadTokenizer(directory);
    const library = await loadTokenizer(directory, { library: true });
    const texts: string[] = [];
    for (let first = 0; first < 0x20000; first += 0x100) {
      const characters = Array.from({ length: 0x100 }, (_, i) => String.fromCodePoint(first + i));
      texts.push(characters.map((character) => `a${character}a ${character}1${character} `).join(""));
    }
    const ours = await Promise.all(texts.map((text) => native.encode(text)));
    const theirs = await Promise.all(texts.map((text) => library.encode(text)));
    const wrong = texts.map((_, i) => i).filter((i) => JSON.stringify(ours[i]) !== JSON.stringify(theirs[i]));
    // Another Node may know another Unicode: what it assigned newly lies in a few blocks.
    const made = /Unicode (\S+)\./.exec(await readFile("native/tokenizer/character_classes.inc", "utf8"))?.[1];
    expect(wrong.length).toBeLessThanOrEqual(made === process.versions.unicode ? 0 : 40);
    await Promise.all([native.close(), library.close()]);
  });
});

const WHOLE_WORD = { id: 1272, content: "<x>", single_word: true };
const unserved: [what: string, change: (spec: Json) => Json][] = [
  ["another pattern", (spec) => ({ ...spec, pre_tokenizer: splitBy("\\p{L}+|\\s+") })],
  [
    "a space put before the text",
    (spec) => ({ ...spec, pre_tokenizer: { ...byteLevel(true), add_prefix_space: true } }),
  ],
  ["no pre-tokenizer", (spec) => ({ ...spec, pre_tokenizer: null })],
  ["another normalizer", (spec) => ({ ...spec, normalizer: { type: "NFKC" } })],
  ["a text rule it doesn't know", (spec) => ({ ...spec, pre_tokenizer: { ...byteLevel(true), odd: 1 } })],
  ["bytes as a last resort", (spec) => inModel(spec, { byte_fallback: true })],
  ["dropout", (spec) => inModel(spec, { dropout: 0.1 })],
  ["a suffix", (spec) => inModel(spec, { end_of_word_suffix: "</w>" })],
  ["a member that it doesn't know", (spec) => inModel(spec, { continuing_subword_suffix: "@@" })],
  ["a byte without a token", (spec) => inModel(spec, { vocab: { a: 0 }, merges: [] })],
  ["a merge of unknown tokens", (spec) => inModel(spec, { merges: [["a", "zzz"]] })],
  [
    "a merge twice",
    (spec) =>
      inModel(spec, {
        merges: [
          ["Ġ", '"'],
          ["Ġ", '"'],
        ],
      }),
  ],
  ["merges in two forms", (spec) => inModel(spec, { merges: [["Ġ", '"'], '" "'] })],
  ["two tokens of one id", (spec) => inModel(spec, { vocab: { ...((spec.model as Json).vocab as Json), zzzz: 5 } })],
  ["an added token that needs a word of its own", (spec) => ({ ...spec, added_tokens: [WHOLE_WORD] })],
  ["an added token that takes spaces", (spec) => ({ ...spec, added_tokens: [{ ...WHOLE_WORD, lstrip: true }] })],
  ["an added token to be normalized", (spec) => ({ ...spec, added_tokens: [{ id: 1272, content: "<x>" }] })],
  ["an added token under two ids", (spec) => ({ ...spec, added_tokens: [{ id: 1272, content: "a", special: true }] })],
];

describe("which files the addon leaves to the library", () => {
  it.each(unserved)("%s", async (_, change) => {
    const directory = await directoryWith(TINY, change);
    expect(await loadBinding().loadTokenizer(directory)).toMatchObject({ served: false });
  });

  it("serves the file that those were made of, in either form of merges, before or after the vocabulary", async () => {
    const text = goldens.texts.code as string;
    const forms: ((spec: Json) => Json)[] = [
      (spec) => spec,
      (spec) => inModel(spec, { merges: ((spec.model as Json).merges as string[][]).map((merge) => merge.join(" ")) }),
      ({ model, ...spec }) => {
        const { vocab, ...others } = model as Json;
        return { model: { ...others, vocab }, ...spec };
      },
    ];
    for (const form of forms) {
      const directory = await directoryWith(TINY, form);
      expect(await loadBinding().loadTokenizer(directory)).toMatchObject({ served: true });
      const tokenizer = await loadTokenizer(directory);
      expect(await tokenizer.encode(text)).toEqual(goldens.tokenizers["tiny-coder"]?.ids.code);
      await tokenizer.close();
    }
  });
});

describe("closing", () => {
  it.each([true, false])("ends what is being encoded (library: %s)", async (library) => {
    const tokenizer = await loadTokenizer(TINY, { library });
    const encoding = tokenizer.encode("abc def ".repeat(200_000));
    const ended = expect(encoding).rejects.toMatchObject({ code: "MODEL_DISPOSED" });
    await tokenizer.close();
    await ended;
    await expect(tokenizer.encode("x")).rejects.toMatchObject({ code: "MODEL_DISPOSED" });
  });
});

describe("a hostile text", () => {
  it("of one endless word takes no quadratic time, and one too long is refused", async () => {
    const tokenizer = await loadTokenizer(TINY);
    expect((await tokenizer.encode("a".repeat(2 ** 20))).length).toBeGreaterThan(0);
    await expect(tokenizer.encode("a".repeat(2 ** 23 + 1))).rejects.toMatchObject({ code: "INVALID_OPTION" });
    await tokenizer.close();
  });
});
