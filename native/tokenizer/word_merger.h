#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/merge_table.h"

namespace punie::tokenizer {

/// Id of each byte's token.
using ByteTokens = std::array<std::uint32_t, 256>;

/// Byte-pair encoding of single words: of all neighbours the pair with the lowest rank becomes one token, the leftmost
/// of equals first, until no pair is left. Keeps its memory from word to word; one per thread.
class WordMerger {
 public:
  /// All must outlive the merger. `stop` set ends a long word's work early, its ids then being worthless.
  WordMerger(const ByteTokens& byte_tokens, const MergeTable& merges, const std::atomic<bool>& stop)
      : byte_tokens_(byte_tokens), merges_(merges), stop_(stop) {}

  /// Appends the word's ids. Time is linear in the length, times its logarithm; memory is about 25 bytes for each byte.
  void append_ids(std::string_view word, std::vector<std::uint32_t>& ids);

 private:
  void append_short(std::string_view word, std::vector<std::uint32_t>& ids);
  void append_long(std::string_view word, std::vector<std::uint32_t>& ids);
  void queue_pair(std::uint32_t at);

  const ByteTokens& byte_tokens_;
  const MergeTable& merges_;
  const std::atomic<bool>& stop_;

  /// A long word's tokens, as a list: each stands where its first byte does. `next_` of the last is the word's length.
  std::vector<std::uint32_t> tokens_;
  std::vector<std::uint32_t> next_;
  std::vector<std::uint32_t> previous_;
  /// Heap of pairs, lowest first: rank in the upper half, place in the lower. A pair that is gone is told by its rank.
  std::vector<std::uint64_t> queue_;
};

}  // namespace punie::tokenizer
