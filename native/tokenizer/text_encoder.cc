#include "tokenizer/text_encoder.h"

#include <algorithm>
#include <bit>

#include "error.h"
#include "tokenizer/hash.h"

namespace punie::tokenizer {

namespace {

/// Below this looking is as fast as remembering.
constexpr std::size_t kFewBytes = 256;
constexpr std::size_t kMostRemembered = 8192;
/// A word this long is unlikely to come again, and slow to compare.
constexpr std::size_t kLongWord = 40;
/// Merging needs 25 bytes of memory for each of the word.
constexpr std::size_t kMostWordMiB = 8;
constexpr std::size_t kMostWordBytes = kMostWordMiB << 20;

}  // namespace

TextEncoder::TextEncoder(const EncodingRules& rules, std::size_t bytes, const std::atomic<bool>& stop)
    : rules_(rules), stop_(stop), merger_(rules.byte_tokens, rules.merges, stop) {
  if (bytes > kFewBytes) remembered_.resize(std::min(std::bit_ceil(bytes / 8), kMostRemembered));
}

void TextEncoder::append(std::string_view text, std::vector<std::uint32_t>& ids) {
  while (!text.empty()) {
    const auto part = text.substr(0, first_part(text, rules_.split));
    for (auto left = part; !left.empty();) {
      if (stop_.load(std::memory_order_relaxed)) return;
      const auto length = first_word(left, rules_.split);
      append_word(left.substr(0, length), ids);
      left.remove_prefix(length);
    }
    text.remove_prefix(part.size());
  }
}

void TextEncoder::append_word(std::string_view word, std::vector<std::uint32_t>& ids) {
  if (word.size() == 1) return ids.push_back(rules_.byte_tokens[static_cast<unsigned char>(word[0])]);
  if (remembered_.empty() || word.size() > kLongWord) return append_new_word(word, ids);
  Remembered& slot = remembered_[hash_bytes(word) & (remembered_.size() - 1)];
  if (slot.word == word) {
    for (auto i = slot.begin; i < slot.end; ++i) ids.push_back(ids[i]);
    return;
  }
  const auto begin = ids.size();
  append_new_word(word, ids);
  slot = {word, begin, ids.size()};
}

void TextEncoder::append_new_word(std::string_view word, std::vector<std::uint32_t>& ids) {
  if (rules_.whole_words.size() > 0) {
    if (const auto id = rules_.whole_words.find(word); id != Vocabulary::kNone) return ids.push_back(id);
  }
  if (word.size() > kMostWordBytes) {
    const auto found = std::to_string(word.size() >> 20);
    throw Error("INVALID_OPTION", "Text to tokenize: expected words of at most " + std::to_string(kMostWordMiB) +
                                      " MiB, found one of " + found + " MiB.");
  }
  merger_.append_ids(word, ids);
}

}  // namespace punie::tokenizer
