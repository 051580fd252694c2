#include "engine/prompt_reader.h"

#include <algorithm>
#include <numeric>

namespace punie::engine {

namespace {

/// Rows whose logits are held at once: enough for the kernels, and of a large vocabulary only some 40 MB.
constexpr std::int64_t kLogitRows = 60;

std::vector<std::int32_t> rows_from(std::int64_t first, std::int64_t count) {
  std::vector<std::int32_t> rows(static_cast<std::size_t>(count));
  std::iota(rows.begin(), rows.end(), static_cast<std::int32_t>(first));
  return rows;
}

}  // namespace

void PromptReader::read(nn::Pass& pass, const models::Model& model, const nn::Tensor& hidden) {
  if (sequence_.request.prompt_logprobs >= 0) read_logprobs(pass, model, hidden);
  if (sequence_.request.pooling != Pooling::none) read_embedding(pass, model, hidden);
}

void PromptReader::read_logprobs(nn::Pass& pass, const models::Model& model, const nn::Tensor& hidden) {
  // The prompt's last token has no next one to be judged.
  const auto count = last() ? count_ - 1 : count_;
  tokens_.resize(static_cast<std::size_t>(count));
  for (std::int64_t begin = 0; begin < count; begin += kLogitRows) {
    const auto rows = rows_from(first_row_ + begin, std::min(kLogitRows, count - begin));
    pass.each_row(model.logits(pass, pass.rows_of(hidden, rows)), [this, begin](auto row, auto logits) {
      check_finite(logits);
      const Distribution distribution(logits);
      const auto& request = sequence_.request;
      const auto next = request.prompt[static_cast<std::size_t>(position_ + begin + row + 1)];
      tokens_[static_cast<std::size_t>(begin + row)] = {
          distribution.logprob(next), distribution.top(static_cast<std::size_t>(request.prompt_logprobs))};
    });
  }
}

void PromptReader::read_embedding(nn::Pass& pass, const models::Model& model, const nn::Tensor& hidden) {
  const bool mean = sequence_.request.pooling == Pooling::mean;
  if (!mean && !last()) return;
  const auto count = mean ? count_ : 1;
  states_.resize(static_cast<std::size_t>(count));
  const auto rows = pass.rows_of(hidden, rows_from(first_row_ + count_ - count, count));
  pass.each_row(model.final_norm(pass, rows), [this](auto row, auto values) {
    check_finite(values);
    states_[static_cast<std::size_t>(row)].assign(values.begin(), values.end());
  });
}

void PromptReader::tell(const EventSink& sink) {
  if (!tokens_.empty()) sink(PromptLogprobsEvent{sequence_.request.id, position_ + 1, std::move(tokens_)});
  if (sequence_.request.pooling != Pooling::none) tell_embedding(sink);
}

/// Sums in the prompt's order, so that a mean does not depend on the chunks.
void PromptReader::tell_embedding(const EventSink& sink) {
  auto& sum = sequence_.pooled;
  for (const auto& state : states_) {
    sum.resize(state.size());
    for (std::size_t i = 0; i < state.size(); ++i) sum[i] += static_cast<double>(state[i]);
  }
  if (!last()) return;
  const auto tokens = sequence_.request.pooling == Pooling::mean ? static_cast<double>(sequence_.prompt_tokens()) : 1;
  std::vector<float> values(sum.size());
  std::ranges::transform(sum, values.begin(), [&](double x) { return static_cast<float>(x / tokens); });
  sink(EmbeddingEvent{sequence_.request.id, std::move(values)});
}

}  // namespace punie::engine
