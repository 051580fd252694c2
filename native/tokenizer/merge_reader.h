#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/merge_table.h"
#include "tokenizer/vocabulary.h"

namespace punie::tokenizer {

/// Takes merges as they are written, in the order of their rank, and finds their tokens.
class MergeReader {
 public:
  /// The vocabulary must be indexed, and outlive the reader.
  explicit MergeReader(const Vocabulary& vocabulary) : vocabulary_(vocabulary) { pairs_.reserve(vocabulary.size()); }

  /// Throws `Unserved`, here or later, when a part, or what the two make, is not in the vocabulary, in bytes.
  void add(std::string_view left, std::string_view right);
  /// Throws `Unserved` for a pair that is there twice.
  MergeTable finish();

 private:
  /// A pair whose tokens are being looked up.
  struct Waiting {
    /// Of both, one after the other.
    std::string bytes;
    std::size_t middle = 0;
    std::uint64_t left_hash = 0;
    std::uint64_t right_hash = 0;
  };

  void take(const Waiting& waiting);

  const Vocabulary& vocabulary_;
  /// How many searches are under way at once: enough to hide what memory takes.
  static constexpr std::size_t kMostWaiting = 16;
  std::array<Waiting, kMostWaiting> waiting_;
  /// All so far; the last few of them are waiting.
  std::size_t added_ = 0;
  std::vector<MergeTable::Pair> pairs_;
};

}  // namespace punie::tokenizer
