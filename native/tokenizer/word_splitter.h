#pragma once

#include <cstddef>
#include <string_view>

namespace punie::tokenizer {

/// How text is cut into words, none of which a token crosses: the pre-tokenizers of the families that are served.
enum class SplitRule {
  /// ByteLevel's own pattern.
  gpt2,
  /// Every number on its own (`Digits`, individual), then GPT-2's pattern on what is between.
  smollm,
  /// GPT-2's pattern, reworked: any case in contractions, one sign before a word, numbers on their own.
  qwen2,
  /// As Qwen2's, with up to three digits together.
  llama3,
};

/// Length in bytes of the first word of `text`, which is UTF-8 and not empty. Bytes that are no UTF-8 count as
/// characters that are no letter, number or space.
std::size_t first_word(std::string_view text, SplitRule rule);

/// Where the pattern must see an end of text: with SmolLM's rule, before and after each number. Length in bytes of the
/// part of `text`, not empty, that the rule takes on its own.
std::size_t first_part(std::string_view text, SplitRule rule);

}  // namespace punie::tokenizer
