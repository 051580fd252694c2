#pragma once

#include <cstdint>
#include <vector>

#include "tokenizer/hash.h"
#include "tokenizer/large_memory.h"

namespace punie::tokenizer {

/// Which neighbouring tokens become one, and which pair goes first: the `merges` of tokenizer.json, in ids.
class MergeTable {
 public:
  static constexpr std::uint32_t kNone = ~0u;

  struct Pair {
    std::uint32_t left;
    std::uint32_t right;
    /// What they become.
    std::uint32_t token;
  };

  /// `rank`: lower goes first; `kNone` where the pair stays two.
  struct Merge {
    std::uint32_t rank = kNone;
    std::uint32_t token = kNone;
  };

  MergeTable() : MergeTable(std::vector<Pair>{}) {}
  /// Pairs in the order of their rank. Throws `Unserved` for one that is there twice.
  explicit MergeTable(const std::vector<Pair>& pairs);

  Merge find(std::uint32_t left, std::uint32_t right) const {
    for (auto at = home(left, right);; at = next(at)) {
      const Slot& slot = slots_[at];
      if (slot.left == left && slot.right == right) return slot.merge;
      if (slot.left == kNone) return {};
    }
  }

 private:
  struct Slot {
    std::uint32_t left = kNone;
    std::uint32_t right = kNone;
    Merge merge;
  };

  std::size_t home(std::uint32_t left, std::uint32_t right) const {
    return mix(std::uint64_t{left} << 32 | right, 0) >> 16 & (slots_.size() - 1);
  }
  std::size_t next(std::size_t at) const { return (at + 1) & (slots_.size() - 1); }
  void insert(const Pair& pair, std::uint32_t rank);

  /// A power of two, at most two thirds full.
  std::vector<Slot, LargeMemory<Slot>> slots_;
};

}  // namespace punie::tokenizer
