/** How text is cut into words before BPE: `tokenizer.ggml.pre` → normalizer and pre_tokenizer of tokenizer.json. */

export interface SplittingRules {
  normalizer: Record<string, unknown> | null;
  preTokenizer: Record<string, unknown>;
}

/** GPT-2's pattern is built into this step when `use_regex` is true. */
const byteLevel = (useRegex: boolean) => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
});

const QWEN2_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const RULES: Readonly<Record<string, SplittingRules>> = {
  "gpt-2": { normalizer: null, preTokenizer: byteLevel(true) },
  smollm: {
    normalizer: null,
    preTokenizer: { type: "Sequence", pretokenizers: [{ type: "Digits", individual_digits: true }, byteLevel(true)] },
  },
  qwen2: {
    normalizer: { type: "NFC" },
    preTokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: QWEN2_PATTERN }, behavior: "Isolated", invert: false },
        byteLevel(false),
      ],
    },
  },
};

export const preTokenizerNames = Object.keys(RULES).join(", ");

/** The rules of this name, or undefined. */
export function splittingRules(name: string): SplittingRules | undefined {
  return Object.hasOwn(RULES, name) ? RULES[name] : undefined;
}
