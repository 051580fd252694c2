#include "tokenizer/merge_texts.h"

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/unserved.h"

namespace punie::tokenizer {

namespace {

/// Room for most, as a vocabulary has it.
constexpr std::size_t kUsualMerges = 200'000;
constexpr std::size_t kUsualBytes = 8 * kUsualMerges;

}  // namespace

MergeTexts::MergeTexts() {
  merges_.reserve(kUsualMerges);
  bytes_.reserve(kUsualBytes);
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
