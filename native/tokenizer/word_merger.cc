#include "tokenizer/word_merger.h"

#include <algorithm>
#include <functional>

namespace punie::tokenizer {

namespace {

/// Up to here looking at every pair for each merge is faster than a heap.
constexpr std::size_t kShort = 48;
/// In place of a token that is part of the one before it.
constexpr std::uint32_t kGone = ~0u;
constexpr std::uint32_t kStepsPerLook = 4096;

}  // namespace

void WordMerger::append_ids(std::string_view word, std::vector<std::uint32_t>& ids) {
  if (word.size() <= kShort) {
    append_short(word, ids);
  } else {
    append_long(word, ids);
  }
}

void WordMerger::append_short(std::string_view word, std::vector<std::uint32_t>& ids) {
  std::array<std::uint32_t, kShort> tokens;
  /// Of each token with the next.
  std::array<MergeTable::Merge, kShort> pairs;
  std::size_t count = word.size();
  for (std::size_t i = 0; i < count; ++i) tokens[i] = byte_tokens_[static_cast<unsigned char>(word[i])];
  for (std::size_t i = 0; i + 1 < count; ++i) pairs[i] = merges_.find(tokens[i], tokens[i + 1]);
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (pairs[i].rank < pairs[best].rank) best = i;
    }
    if (pairs[best].rank == MergeTable::kNone) break;
    tokens[best] = pairs[best].token;
    std::copy(tokens.begin() + best + 2, tokens.begin() + count, tokens.begin() + best + 1);
    if (best + 2 < count) std::copy(pairs.begin() + best + 2, pairs.begin() + count - 1, pairs.begin() + best + 1);
    --count;
    if (best > 0) pairs[best - 1] = merges_.find(tokens[best - 1], tokens[best]);
    if (best + 1 < count) pairs[best] = merges_.find(tokens[best], tokens[best + 1]);
  }
  ids.insert(ids.end(), tokens.begin(), tokens.begin() + count);
}

void WordMerger::queue_pair(std::uint32_t at) {
  if (next_[at] >= tokens_.size()) return;
  const auto merge = merges_.find(tokens_[at], tokens_[next_[at]]);
  if (merge.rank != MergeTable::kNone) queue_.push_back(std::uint64_t{merge.rank} << 32 | at);
}

void WordMerger::append_long(std::string_view word, std::vector<std::uint32_t>& ids) {
  const auto size = static_cast<std::uint32_t>(word.size());
  tokens_.resize(size);
  next_.resize(size);
  previous_.resize(size);
  queue_.clear();
  for (std::uint32_t i = 0; i < size; ++i) {
    tokens_[i] = byte_tokens_[static_cast<unsigned char>(word[i])];
    next_[i] = i + 1;
    previous_[i] = i - 1;
  }
  for (std::uint32_t i = 0; i < size; ++i) queue_pair(i);
  const auto lowest_first = std::greater<>();
  std::make_heap(queue_.begin(), queue_.end(), lowest_first);
  const auto requeue = [&](std::uint32_t at) {
    const auto before = queue_.size();
    queue_pair(at);
    if (queue_.size() > before) std::push_heap(queue_.begin(), queue_.end(), lowest_first);
  };
  for (std::uint32_t steps = 0; !queue_.empty(); ++steps) {
    if (steps % kStepsPerLook == 0 && stop_.load(std::memory_order_relaxed)) break;
    std::pop_heap(queue_.begin(), queue_.end(), lowest_first);
    const auto at = static_cast<std::uint32_t>(queue_.back());
    const auto rank = static_cast<std::uint32_t>(queue_.back() >> 32);
    queue_.pop_back();
    const auto second = tokens_[at] == kGone ? size : next_[at];
    if (second >= size) continue;
    const auto merge = merges_.find(tokens_[at], tokens_[second]);
    if (merge.rank != rank) continue;
    tokens_[at] = merge.token;
    tokens_[second] = kGone;
    next_[at] = next_[second];
    if (next_[at] < size) previous_[next_[at]] = at;
    if (at > 0) requeue(previous_[at]);
    requeue(at);
  }
  for (std::uint32_t i = 0; i < size; i = next_[i]) ids.push_back(tokens_[i]);
}

}  // namespace punie::tokenizer
