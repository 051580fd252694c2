#include "tokenizer/find_merges.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tokenizer/beside.h"
#include "tokenizer/unserved.h"

namespace punie::tokenizer {

namespace {

/// Fewer are found by one thread before another begins.
constexpr std::size_t kManyMerges = 8192;

void find_range(const MergeTexts& texts, const Vocabulary& vocabulary, std::size_t begin, std::size_t end,
                MergeTable::Pair* pairs) {
  struct Hashes {
    std::uint64_t left = 0;
    std::uint64_t right = 0;
  };
  /// How many searches are under way at once: enough to hide what memory takes.
  constexpr std::size_t kAhead = 16;
  std::array<Hashes, kAhead> hashes;
  // Trainers number a token after the one of the merge before: looking there first saves most of the searches.
  std::uint32_t likely = 0;
  const auto finish = [&](std::size_t i) {
    const auto whole = texts.both(i);
    const bool guessed = vocabulary.has(likely) && vocabulary.token(likely) == whole && vocabulary.is_bytes(likely);
    const Hashes& of = hashes[i % kAhead];
    const MergeTable::Pair pair{vocabulary.end_find(texts.left(i), of.left),
                                vocabulary.end_find(texts.right(i), of.right),
                                guessed ? likely : vocabulary.find(whole)};
    if (pair.left == Vocabulary::kNone || pair.right == Vocabulary::kNone || pair.token == Vocabulary::kNone) {
      throw Unserved("merge " + std::to_string(i) + " names no token");
    }
    likely = pair.token + 1;
    pairs[i] = pair;
  };
  for (std::size_t i = begin; i < end + kAhead; ++i) {
    if (i >= begin + kAhead) finish(i - kAhead);
    if (i < end) hashes[i % kAhead] = {vocabulary.begin_find(texts.left(i)), vocabulary.begin_find(texts.right(i))};
  }
}

}  // namespace

MergeTable find_merges(const MergeTexts& texts, const Vocabulary& vocabulary) {
  const std::size_t count = texts.size();
  std::vector<MergeTable::Pair> pairs(count);
  const std::size_t half = count < kManyMerges ? count : count / 2;
  auto rest = beside([&] { find_range(texts, vocabulary, half, count, pairs.data()); }, half < count);
  find_range(texts, vocabulary, 0, half, pairs.data());
  rest.get();
  return MergeTable(pairs);
}

}  // namespace punie::tokenizer
