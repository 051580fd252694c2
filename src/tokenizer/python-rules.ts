/**
 * Where the library splits text otherwise than Python's `tokenizers` does, set right.
 * JavaScript's `\s` has U+FEFF and lacks U+0085, and its `\d` is ASCII only; Rust's classes are Unicode's.
 */

/** What this file touches of the library's pre-tokenizers. (Its type declarations don't resolve under NodeNext.) */
export interface LibraryPreTokenizer {
  /** Parts of a sequence. */
  tokenizers?: (LibraryPreTokenizer | null)[];
  config?: { type?: string; individual_digits?: boolean };
  pattern?: RegExp;
}

/** GPT-2's pattern (`use_regex` of ByteLevel), in Unicode's White_Space. */
const BYTE_LEVEL_PATTERN =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** Applies Python's rules to a pre-tokenizer and all it contains. */
export function applyPythonRules(preTokenizer: LibraryPreTokenizer | null): void {
  if (!preTokenizer) return;
  for (const part of preTokenizer.tokenizers ?? []) applyPythonRules(part);
  if (preTokenizer.config?.type === "ByteLevel") preTokenizer.pattern = BYTE_LEVEL_PATTERN;
  if (preTokenizer.config?.type === "Digits") {
    // Rust's `char::is_numeric`: Nd, Nl and No.
    preTokenizer.pattern = preTokenizer.config.individual_digits ? /\P{N}+|\p{N}/gu : /\P{N}+|\p{N}+/gu;
  }
}
