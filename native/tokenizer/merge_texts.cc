#include "tokenizer/merge_texts.h"

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/unserved.h"
#include "tokenizer/vocabulary.h"

namespace punie::tokenizer {

MergeTexts::MergeTexts() {
  // A merge makes a token.
  merges_.reserve(Vocabulary::kUsualTokens);
  bytes_.reserve(Vocabulary::kUsualBytes);
}

void MergeTexts::add(std::string_view left, std::string_view right) {
  const auto begin = bytes_.size();
  const bool in_bytes = append_bytes_of(left, bytes_);
  const auto middle = bytes_.size();
  if (!in_bytes || !append_bytes_of(right, bytes_)) throw Unserved("a merge outside the byte alphabet");
  if (middle == begin || middle == bytes_.size()) throw Unserved("a merge of nothing");
  merges_.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(middle)});
}

}  // namespace punie::tokenizer
