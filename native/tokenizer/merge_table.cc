#include "tokenizer/merge_table.h"

#include <bit>

#include "tokenizer/unserved.h"

namespace punie::tokenizer {

MergeTable::MergeTable(const std::vector<Pair>& pairs) : slots_(std::bit_ceil(pairs.size() + pairs.size() / 2 + 16)) {
  // A pair is placed a few steps after its slot was asked for.
  constexpr std::size_t kAhead = 16;
  for (std::size_t i = 0; i < pairs.size() + kAhead; ++i) {
    if (i < pairs.size()) prefetch(&slots_[home(pairs[i].left, pairs[i].right)]);
    if (i >= kAhead) insert(pairs[i - kAhead], static_cast<std::uint32_t>(i - kAhead));
  }
}

void MergeTable::insert(const Pair& pair, std::uint32_t rank) {
  auto at = home(pair.left, pair.right);
  for (std::uint32_t probes = 0; slots_[at].left != kNone; at = next(at)) {
    if (slots_[at].left == pair.left && slots_[at].right == pair.right) throw Unserved("a merge is there twice");
    if (++probes > kMostProbes) throw Unserved("merges that collide");
  }
  slots_[at] = {pair.left, pair.right, {rank, pair.token}};
}

}  // namespace punie::tokenizer
