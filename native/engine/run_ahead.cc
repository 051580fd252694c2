#include "engine/run_ahead.h"

#include <algorithm>

namespace punie::engine {

namespace mx = mlx::core;

namespace {

/// logits [rows, vocabulary] to int32 [rows]: of equal ones the lower id; -1 for a row that is not finite.
mx::array choose_best(const mx::array& logits, const mx::Stream& s) {
  const auto best = mx::astype(mx::argmax(logits, -1, false, s), mx::int32, s);
  return mx::where(mx::all(mx::isfinite(logits, s), -1, false, s), best, mx::array(-1), s);
}

}  // namespace

bool RunAhead::serves(const models::Model& model, const nn::Runtime& runtime) {
  const auto& layers = model.config().layer_types;
  return !runtime.use_kernels && std::ranges::find(layers, models::LayerType::linear_attention) == layers.end();
}

bool RunAhead::can_answer(const Request& request) {
  const auto& sampling = request.sampling;
  return sampling.temperature == 0 && request.logprobs < 0 && sampling.logit_bias.empty() &&
         sampling.repetition_penalty == 1 && sampling.presence_penalty == 0 && sampling.frequency_penalty == 0;
}

bool RunAhead::is_for(const Submitted& submitted, std::span<Sequence* const> sequences) const {
  if (submitted.requests.size() != sequences.size()) return false;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const auto& sequence = *sequences[i];
    if (submitted.requests[i] != sequence.request.id || submitted.lengths[i] != sequence.cache->length()) return false;
  }
  return true;
}

RunAhead::Submitted RunAhead::submit(std::span<Sequence* const> sequences, nn::TokenIds ids) const {
  nn::Batch batch;
  std::vector<std::int64_t> requests, lengths;
  for (const auto* sequence : sequences) {
    batch.segments.push_back({sequence->cache, 1});
    requests.push_back(sequence->request.id);
    lengths.push_back(sequence->cache->length());
  }
  auto pass = std::make_unique<nn::Pass>(runtime_, std::move(batch), sequences.front()->adapter.get());
  const auto logits = model_.logits(*pass, model_.forward(*pass, std::move(ids)));
  auto chosen = choose_best(logits.array(), runtime_.stream);
  mx::async_eval({chosen});
  return {std::move(requests), std::move(lengths), std::move(pass), std::move(chosen)};
}

std::vector<std::int32_t> RunAhead::next(std::span<Sequence* const> sequences, bool last) {
  if (!ahead_ || !is_for(*ahead_, sequences)) {
    std::vector<std::int32_t> known;
    for (const auto* sequence : sequences) known.push_back(sequence->tokens.back());
    ahead_ = submit(sequences, std::move(known));
  }
  auto current = std::move(*ahead_);
  ahead_.reset();
  for (auto* sequence : sequences) sequence->cache->advance(1);
  if (!last) ahead_ = submit(sequences, current.chosen);
  current.chosen.eval();
  const auto* chosen = current.chosen.data<std::int32_t>();
  return {chosen, chosen + sequences.size()};
}

}  // namespace punie::engine
