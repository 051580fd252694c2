#include "tokenizer/merge_reader.h"

#include <algorithm>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/unserved.h"

namespace punie::tokenizer {

void MergeReader::add(std::string_view left, std::string_view right) {
  Waiting& pair = waiting_[added_ % kMostWaiting];
  if (added_ >= kMostWaiting) take(pair);
  ++added_;
  pair.bytes.clear();
  const bool in_bytes = append_bytes_of(left, pair.bytes);
  pair.middle = pair.bytes.size();
  if (!in_bytes || !append_bytes_of(right, pair.bytes)) throw Unserved("a merge outside the byte alphabet");
  if (pair.middle == 0 || pair.middle == pair.bytes.size()) throw Unserved("a merge of nothing");
  const std::string_view whole = pair.bytes;
  pair.left_hash = vocabulary_.begin_find(whole.substr(0, pair.middle));
  pair.right_hash = vocabulary_.begin_find(whole.substr(pair.middle));
}

void MergeReader::take(const Waiting& waiting) {
  const std::string_view whole = waiting.bytes;
  // Trainers number a token after the one of the merge before: looking there first saves most of the searches.
  const auto likely = pairs_.empty() ? 0 : pairs_.back().token + 1;
  const bool guessed = vocabulary_.has(likely) && vocabulary_.token(likely) == whole && vocabulary_.is_bytes(likely);
  const MergeTable::Pair pair{vocabulary_.end_find(whole.substr(0, waiting.middle), waiting.left_hash),
                              vocabulary_.end_find(whole.substr(waiting.middle), waiting.right_hash),
                              guessed ? likely : vocabulary_.find(whole)};
  if (pair.left == Vocabulary::kNone || pair.right == Vocabulary::kNone || pair.token == Vocabulary::kNone) {
    throw Unserved("merge " + std::to_string(pairs_.size()) + " names no token");
  }
  pairs_.push_back(pair);
}

MergeTable MergeReader::finish() {
  for (auto i = added_ - std::min(added_, kMostWaiting); i < added_; ++i) take(waiting_[i % kMostWaiting]);
  return MergeTable(pairs_);
}

}  // namespace punie::tokenizer
