#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/merge_table.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_merger.h"
#include "tokenizer/word_splitter.h"

namespace punie::tokenizer {

/// What text between added tokens is encoded by.
struct EncodingRules {
  SplitRule split = SplitRule::gpt2;
  ByteTokens byte_tokens{};
  MergeTable merges;
  /// A word that is a token of these is that token, whatever the merges say. Mostly empty.
  Vocabulary whole_words;
};

/// Encodes the texts of one request, one after another. The rules, `stop` and all texts must outlive it.
class TextEncoder {
 public:
  /// `bytes`: of all texts, about; decides how much is remembered.
  TextEncoder(const EncodingRules& rules, std::size_t bytes, const std::atomic<bool>& stop);

  /// Appends the text's ids; fewer once `stop` is set. `ids` must be the same each time. Throws `Error` with
  /// INVALID_OPTION for a word of more than 8 MiB.
  void append(std::string_view text, std::vector<std::uint32_t>& ids);

 private:
  /// Words come again and again. A remembered one is its first appearance: in the text, and in the ids.
  struct Remembered {
    std::string_view word;
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  void append_word(std::string_view word, std::vector<std::uint32_t>& ids);
  void append_new_word(std::string_view word, std::vector<std::uint32_t>& ids);

  const EncodingRules& rules_;
  const std::atomic<bool>& stop_;
  WordMerger merger_;
  /// By the low bits of the word's hash; a power of two, or none.
  std::vector<Remembered> remembered_;
};

}  // namespace punie::tokenizer
