import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadTokenizer } from "../../../src/tokenizer/load-tokenizer.js";
import type { StreamDecoder } from "../../../src/tokenizer/stream-decoder.js";
import type { Tokenizer } from "../../../src/tokenizer/tokenizer.js";
import {
  createRandom,
  directoryOf,
  goldens,
  hashOfIds,
  hashOfText,
  randomIdLists,
  randomTexts,
  unpack,
} from "./goldens.js";

const texts = [...randomTexts()];

/** The addon where it serves the tokenizer, and the library for each. */
const encoders = Object.entries(goldens.tokenizers).flatMap(([name, golden]) =>
  [false, true].map((library) => ({ name, golden, library })),
);

describe.each(encoders)("$name (library: $library)", ({ name, golden, library }) => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await loadTokenizer(await directoryOf(name), { library });
  });
  afterAll(() => tokenizer.close());

  /** Streams the ids in random batches, and checks every piece on the way. */
  function streamed(decoder: StreamDecoder, ids: number[], random: { below(n: number): number }): string {
    let text = "";
    for (let at = 0; at < ids.length; ) {
      const size = 1 + random.below(4);
      const piece = decoder.push(ids.slice(at, at + size));
      expect(piece).not.toMatch(/\p{Surrogate}/u);
      text += piece;
      at += size;
    }
    return text + decoder.end();
  }

  it("has as many ids", () => {
    expect(tokenizer.vocabSize).toBe(golden.vocabSize);
  });

  it.each(Object.entries(goldens.texts))("encodes and decodes %s as Python does", async (title, text) => {
    const ids = await tokenizer.encode(text);
    expect(ids).toEqual(golden.ids[title]);
    expect(tokenizer.decode(ids)).toBe(golden.decoded[title]);
  });

  it("encodes 10,000 random texts as Python does, and decodes them without special tokens", async () => {
    const all = await Promise.all(texts.map((text) => tokenizer.encode(text)));
    const wantedIds = unpack(golden.randomIds);
    const wantedTexts = unpack(golden.randomSkipped);
    const wrong = texts.filter((_, i) => hashOfIds(all[i] as number[]) !== wantedIds[i]);
    expect(wrong).toEqual([]);
    const decoded = all.map((ids) => tokenizer.decode(ids, { skipSpecialTokens: true }));
    expect(decoded.filter((text, i) => hashOfText(text) !== wantedTexts[i])).toEqual([]);
    expect(texts.length).toBe(10_000);
  });

  it("decodes random ids as Python does, at once and streamed", () => {
    const random = createRandom(3);
    const wanted = unpack(golden.randomDecoded);
    const lists = [...randomIdLists(golden.vocabSize)];
    const wrong = lists.filter((ids, i) => hashOfText(tokenizer.decode(ids)) !== wanted[i]);
    expect(wrong).toEqual([]);
    const decoder = tokenizer.createStreamDecoder();
    for (const ids of lists) expect(streamed(decoder, ids, random)).toBe(tokenizer.decode(ids));
    expect(lists.length).toBe(2_000);
  });
});
