#pragma once

#include <cstdint>
#include <vector>

#include "engine/events.h"
#include "engine/sequence.h"
#include "models/model.h"
#include "nn/pass.h"

namespace punie::engine {

/// What a pass over some of a prompt's tokens gives besides keys and values: the log-probabilities of its tokens, and
/// its embedding. One for each sequence of the pass; `read` before the pass has run, `tell` after it, unless it was
/// cut short.
class PromptReader {
 public:
  /// `first_row`, `count`: the sequence's rows of the pass, which are its tokens from the end of its cache on.
  PromptReader(Sequence& sequence, std::int64_t first_row, std::int64_t count)
      : sequence_(sequence), first_row_(first_row), count_(count), position_(sequence.cache->length()) {}

  /// Adds to the pass what reads its rows of `hidden`. Must not be moved from then on until the pass has run.
  void read(nn::Pass& pass, const models::Model& model, const nn::Tensor& hidden);
  void tell(const EventSink& sink);

 private:
  void read_logprobs(nn::Pass& pass, const models::Model& model, const nn::Tensor& hidden);
  void read_embedding(nn::Pass& pass, const models::Model& model, const nn::Tensor& hidden);
  void tell_embedding(const EventSink& sink);
  bool last() const { return position_ + count_ == sequence_.prompt_tokens(); }

  Sequence& sequence_;
  std::int64_t first_row_;
  std::int64_t count_;
  std::int64_t position_;
  std::vector<ScoredToken> tokens_;
  /// Hidden states after the final norm: of the last token, or of each.
  std::vector<std::vector<float>> states_;
};

}  // namespace punie::engine
