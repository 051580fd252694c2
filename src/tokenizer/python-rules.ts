/**
 * Where the library splits and normalizes text otherwise than Python's `tokenizers` does, set right.
 * JavaScript's `\s` has U+FEFF and lacks U+0085, and its `\d` is ASCII only; Rust's classes are Unicode's. Rust's
 * normalization is older than Unicode 16, which brought new compositions for a few historic scripts.
 */

/** What this file touches of the library's parts. (The library's type declarations don't resolve under NodeNext.) */
export interface LibraryPreTokenizer {
  /** Parts of a sequence. */
  tokenizers?: (LibraryPreTokenizer | null)[];
  config?: { type?: string; individual_digits?: boolean };
  pattern?: RegExp;
}

export interface LibraryNormalizer {
  /** Parts of a sequence. */
  normalizers?: (LibraryNormalizer | null)[];
  config?: { type?: string };
  normalize?: (text: string) => string;
}

/** GPT-2's pattern (`use_regex` of ByteLevel), in Unicode's White_Space. */
const BYTE_LEVEL_PATTERN =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** Applies Python's rules to a pre-tokenizer and all it contains. */
export function splitLikePython(preTokenizer: LibraryPreTokenizer | null): void {
  if (!preTokenizer) return;
  for (const part of preTokenizer.tokenizers ?? []) splitLikePython(part);
  if (preTokenizer.config?.type === "ByteLevel") preTokenizer.pattern = BYTE_LEVEL_PATTERN;
  if (preTokenizer.config?.type === "Digits") {
    // Rust's `char::is_numeric`: Nd, Nl and No.
    preTokenizer.pattern = preTokenizer.config.individual_digits ? /\P{N}+|\p{N}/gu : /\P{N}+|\p{N}+/gu;
  }
}

/** Applies Python's rules to a normalizer and all it contains. */
export function normalizeLikePython(normalizer: LibraryNormalizer | null): void {
  if (!normalizer) return;
  for (const part of normalizer.normalizers ?? []) normalizeLikePython(part);
  if (normalizer.config?.type === "NFC") normalizer.normalize = composeLikePython;
}

/** What Unicode 16 composes newly: Todhri, Tulu-Tigalari, Gurung Khema, Kirat Rai. */
const NEW_COMPOSITE =
  /[\u{105c9}\u{105e4}\u{11383}\u{11385}\u{1138e}\u{11391}\u{113c5}\u{113c7}\u{113c8}\u{16121}-\u{16128}\u{16d68}-\u{16d6a}]/u;
/** After the characters that those begin with: text cut there can't compose across the cut. */
const AFTER_NEW_FIRST =
  /(?<=[\u{105d2}\u{105da}\u{11382}\u{11384}\u{1138b}\u{11390}\u{113c2}\u{1611e}-\u{16129}\u{16d63}-\u{16d6a}])/u;

/** NFC by the rules of Rust's tables. */
export function composeLikePython(text: string): string {
  const composed = text.normalize("NFC");
  if (!NEW_COMPOSITE.test(composed)) return composed;
  return text
    .split(AFTER_NEW_FIRST)
    .map((piece) => piece.normalize("NFC"))
    .join("");
}
