import { readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasTokenizer, loadTokenizer } from "../../../src/tokenizer/load-tokenizer.js";
import type { Tokenizer } from "../../../src/tokenizer/tokenizer.js";
import { temporaryDirectory } from "../../helpers/temporary-directory.js";
import { goldens, QWEN, TINY } from "./goldens.js";

interface Spec {
  model: Record<string, unknown>;
  [key: string]: unknown;
}

/** Reads the tiny model's tokenizer.json anew, so that a case may break it. */
async function tinySpec(): Promise<Spec> {
  return JSON.parse(await readFile(join(TINY, "tokenizer.json"), "utf8"));
}

async function directoryWith(files: Record<string, unknown>): Promise<string> {
  const directory = await temporaryDirectory("tokenizer");
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(directory, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return directory;
}

/** Sequences of one normalizer, one in another. */
function nested(depth: number): unknown {
  let part: unknown = { type: "NFC" };
  for (let level = 0; level < depth; level++) part = { type: "Sequence", normalizers: [part] };
  return part;
}

describe("a loaded tokenizer", () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await loadTokenizer(TINY);
  });
  afterAll(() => tokenizer.close());

  it("knows its vocabulary and special tokens", () => {
    expect(tokenizer.vocabSize).toBe(1272);
    expect(tokenizer.specialTokenIds).toEqual([1261, 1262, 1263, 1264, 1265, 1266, 1267, 1268, 1269]);
    expect(tokenizer.isSpecial(1263)).toBe(true);
    expect(tokenizer.isSpecial(1270)).toBe(false);
    expect(tokenizer.tokenText(1263)).toBe("<|im_end|>");
  });

  it("knows the bytes of tokens that are parts of a character", async () => {
    const ids = await tokenizer.encode("a😀<|im_end|>");
    const bytes = ids.flatMap((id) => [...(tokenizer.tokenBytes(id) ?? [])]);
    expect(Buffer.from(bytes).toString()).toBe("a😀<|im_end|>");
    expect(ids.length).toBeGreaterThan(3);
    expect(tokenizer.tokenBytes(1_000_000)).toBeUndefined();
  });

  it("takes special tokens in text for tokens, or for text when told to", async () => {
    const text = "a<|im_end|>b<tool_call>";
    expect(await tokenizer.encode(text)).toEqual(expect.arrayContaining([1263, 1270]));
    const plain = await tokenizer.encode(text, { parseSpecial: false });
    expect(plain.some((id) => id >= 1261)).toBe(false);
    expect(tokenizer.decode(plain)).toBe(text);
  });

  it("leaves special tokens out when asked", async () => {
    const ids = await tokenizer.encode("<|im_start|>a<tool_call><|im_end|>");
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe("a<tool_call>");
  });

  it("gives nothing for ids that have no token", () => {
    expect(tokenizer.decode([1272, 1279, -1, 2 ** 31, Number.NaN])).toBe("");
  });

  it("streams no half characters", async () => {
    const text = "héllo 世界 👩‍👩‍👧 🇩🇪 e\u0301";
    const decoder = tokenizer.createStreamDecoder();
    const pieces = (await tokenizer.encode(text)).map((id) => decoder.push([id]));
    expect(pieces.join("")).toBe(text.normalize("NFC"));
    expect(pieces.filter((piece) => piece.includes("\ufffd"))).toEqual([]);
    expect(decoder.end()).toBe("");
  });

  it("gives U+FFFD at the end for a character that never came", async () => {
    const ids = (await tokenizer.encode("世")).slice(0, -1);
    const decoder = tokenizer.createStreamDecoder();
    expect(decoder.push(ids)).toBe("");
    expect(decoder.end()).toBe("\ufffd");
    expect(decoder.end()).toBe("");
  });

  it("decodes after it was closed, and refuses to encode", async () => {
    const other = await loadTokenizer(TINY);
    const ids = await other.encode("hello");
    await other.close();
    await other.close();
    expect(other.decode(ids)).toBe("hello");
    await expect(other.encode("x")).rejects.toMatchObject({ code: "MODEL_DISPOSED" });
  });

  it("refuses a text too long for any context", async () => {
    await expect(tokenizer.encode("x".repeat(2 ** 25 + 1))).rejects.toMatchObject({ code: "INVALID_OPTION" });
  });
});

describe("loading", () => {
  it("leaves the event loop free while a real vocabulary loads", async () => {
    let last = performance.now();
    let gapMs = 0;
    const timer = setInterval(() => {
      const now = performance.now();
      gapMs = Math.max(gapMs, now - last);
      last = now;
    }, 5);
    const tokenizer = await loadTokenizer(QWEN);
    const ids = await tokenizer.encode(goldens.texts.code ?? "");
    gapMs = Math.max(gapMs, performance.now() - last);
    clearInterval(timer);
    expect(ids).toEqual(goldens.tokenizers["qwen2.5"]?.ids.code);
    await tokenizer.close();
    expect(gapMs).toBeLessThan(250);
  });

  it("stops with the signal's reason", async () => {
    const reason = new Error("enough");
    await expect(loadTokenizer(QWEN, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const loading = loadTokenizer(QWEN, { signal: controller.signal });
    setImmediate(() => controller.abort(reason));
    await expect(loading).rejects.toBe(reason);
  });

  it("adds the tokens that only tokenizer_config.json names", async () => {
    const config = { added_tokens_decoder: { "1272": { content: "<|extra|>", special: true } } };
    const directory = await directoryWith({ "tokenizer.json": await tinySpec(), "tokenizer_config.json": config });
    const tokenizer = await loadTokenizer(directory);
    expect(await tokenizer.encode("<|extra|>")).toEqual([1272]);
    expect(tokenizer.specialTokenIds).toContain(1272);
    await tokenizer.close();
  });

  it("tells whether there is a tokenizer", async () => {
    expect(await hasTokenizer(TINY)).toBe(true);
    expect(await hasTokenizer(await directoryWith({}))).toBe(false);
  });

  const broken: [title: string, change: (spec: Spec) => unknown, code: string, message: RegExp][] = [
    ["cut short", (spec) => JSON.stringify(spec).slice(0, 1000), "MODEL_CORRUPT", /tokenizer\.json: not JSON/],
    ["that is empty", () => "", "MODEL_CORRUPT", /tokenizer\.json: not JSON/],
    ["a list", () => [], "MODEL_CORRUPT", /expected a JSON object, found an array/],
    ["without a model", (spec) => ({ ...spec, model: undefined }), "MODEL_CORRUPT", /tokenizer\.json in .*: model: /],
    [
      "with ids that are text",
      (spec) => ({ ...spec, model: { ...spec.model, vocab: { a: "b" } } }),
      "MODEL_CORRUPT",
      /model\.vocab: expected token ids/,
    ],
    [
      "with an absurd id",
      (spec) => ({ ...spec, model: { ...spec.model, vocab: { a: 1e9 } } }),
      "MODEL_CORRUPT",
      /model\.vocab/,
    ],
    [
      "with merges of numbers",
      (spec) => ({ ...spec, model: { ...spec.model, merges: [1] } }),
      "MODEL_CORRUPT",
      /model\.merges/,
    ],
    [
      "with an unknown model",
      (spec) => ({ ...spec, model: { type: "Magic", vocab: {} } }),
      "MODEL_UNSUPPORTED",
      /model Magic is not supported; BPE is/,
    ],
    [
      "with an unknown pre-tokenizer",
      (spec) => ({ ...spec, pre_tokenizer: { type: "Magic" } }),
      "MODEL_CORRUPT",
      /Magic/,
    ],
    [
      "with a pattern that is no regular expression",
      (spec) => ({
        ...spec,
        pre_tokenizer: { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated", invert: false },
      }),
      "MODEL_CORRUPT",
      /regular expression/i,
    ],
    [
      "with a behaviour that is a number",
      (spec) => ({ ...spec, pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: 1 } }),
      "MODEL_CORRUPT",
      /pre_tokenizer\.behavior: .*expected string/,
    ],
    [
      "with a pattern of a part that is text",
      (spec) => ({ ...spec, pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "Split", pattern: " " }] } }),
      "MODEL_CORRUPT",
      /pre_tokenizer\.pretokenizers\.0\.pattern: expected \{"Regex": text\} or \{"String": text\}/,
    ],
    [
      "with pieces that have no length",
      (spec) => ({ ...spec, pre_tokenizer: { type: "FixedLength", length: 0 } }),
      "MODEL_CORRUPT",
      /pre_tokenizer\.length/,
    ],
    [
      "with a normalizer that prepends nothing",
      (spec) => ({ ...spec, normalizer: { type: "Sequence", normalizers: [{ type: "Prepend" }] } }),
      "MODEL_CORRUPT",
      /normalizer\.normalizers\.0\.prepend/,
    ],
    [
      "with a normalizer without parts",
      (spec) => ({ ...spec, normalizer: { type: "Sequence", normalizers: null } }),
      "MODEL_CORRUPT",
      /normalizer\.normalizers: .*expected array/,
    ],
    [
      "with a template that is missing",
      (spec) => ({ ...spec, post_processor: { type: "TemplateProcessing" } }),
      "MODEL_CORRUPT",
      /post_processor\.single/,
    ],
    [
      "with a template of anything",
      (spec) => ({ ...spec, post_processor: { type: "TemplateProcessing", single: [null] } }),
      "MODEL_CORRUPT",
      /post_processor\.single\.0: expected a SpecialToken or a Sequence/,
    ],
    [
      "with a decoder that has null for a part",
      (spec) => ({ ...spec, decoder: { type: "Sequence", decoders: [null] } }),
      "MODEL_CORRUPT",
      /decoder\.decoders\.0/,
    ],
    [
      "with parts of parts without end",
      (spec) => ({ ...spec, normalizer: nested(1000) }),
      "MODEL_CORRUPT",
      /normalizer\..*: nested more than 8 deep/,
    ],
    [
      "with a suffix of words that is a list",
      (spec) => ({ ...spec, model: { ...spec.model, end_of_word_suffix: ["</w>"] } }),
      "MODEL_CORRUPT",
      /model\.end_of_word_suffix/,
    ],
    [
      "with a decoder that isn't served",
      (spec) => ({ ...spec, decoder: { type: "CTC" } }),
      "MODEL_UNSUPPORTED",
      /decoder CTC is not supported/,
    ],
    [
      "with an added token without text",
      (spec) => ({ ...spec, added_tokens: [{ id: 1 }] }),
      "MODEL_CORRUPT",
      /added_tokens\.0\.content/,
    ],
  ];

  it.each(broken)("refuses a file %s", async (_, change, code, message) => {
    const directory = await directoryWith({ "tokenizer.json": change(await tinySpec()) });
    await expect(loadTokenizer(directory)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  const template = [{ SpecialToken: { id: "<gone>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }];
  const unknown: [title: string, change: (spec: Spec) => unknown][] = [
    [
      "put before a text",
      (spec) => ({ ...spec, post_processor: { type: "TemplateProcessing", single: template, pair: [] } }),
    ],
    ["unknown", (spec) => ({ ...spec, model: { ...spec.model, unk_token: "<gone>", vocab: { h: 0 }, merges: [] } })],
  ];

  it.each(unknown)("refuses to encode where the token %s is not in the vocabulary", async (_, change) => {
    const tokenizer = await loadTokenizer(await directoryWith({ "tokenizer.json": change(await tinySpec()) }));
    await expect(tokenizer.encode("hello", { addSpecialTokens: true })).rejects.toMatchObject({
      code: "MODEL_CORRUPT",
      message: expect.stringMatching(/"<gone>" is not in the vocabulary/),
    });
    await tokenizer.close();
  });

  it("refuses a missing file, a directory in its place, and one too large", async () => {
    const empty = await directoryWith({});
    await expect(loadTokenizer(empty)).rejects.toMatchObject({
      code: "MODEL_CORRUPT",
      message: expect.stringMatching(/tokenizer\.json is missing in /),
    });
    await expect(loadTokenizer(join(TINY, "tokenizer.json"))).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
    const huge = await directoryWith({ "tokenizer.json": "{}" });
    await truncate(join(huge, "tokenizer.json"), 65 * 2 ** 20);
    await expect(loadTokenizer(huge)).rejects.toMatchObject({
      code: "MODEL_CORRUPT",
      message: expect.stringMatching(/tokenizer\.json: 68157440 bytes, expected at most 67108864/),
    });
  });
});
