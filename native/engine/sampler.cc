#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "engine/distribution.h"
#include "engine/philox.h"

namespace punie::engine {

namespace {

/// Ties go to the lower id everywhere, so that a choice never depends on how a sort happens to work.
struct Better {
  std::span<const float> scores;
  bool operator()(std::int32_t a, std::int32_t b) const {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
  }
};

std::int32_t argmax(std::span<const float> scores) {
  return static_cast<std::int32_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

bool changes_logits(const Sampling& sampling) {
  return !sampling.logit_bias.empty() || sampling.repetition_penalty != 1 || sampling.presence_penalty != 0 ||
         sampling.frequency_penalty != 0;
}

/// Repetition penalty of Keskar et al. (CTRL, 2019); presence and frequency as in the OpenAI API.
void apply_penalties(std::vector<float>& logits, std::span<const std::int32_t> history, const Sampling& sampling) {
  // Options at their ends would overflow: what they say stays the same, and sorts and sums stay defined.
  constexpr float kMost = 1e30f;
  const auto bounded = [=](float x) { return std::clamp(x, -kMost, kMost); };
  for (const auto& [id, value] : sampling.logit_bias) logits[id] = bounded(logits[id] + value);
  const auto window = std::min<std::size_t>(history.size(), static_cast<std::size_t>(sampling.repetition_context));
  std::unordered_map<std::int32_t, int> counts;
  for (const auto id : history.last(window)) ++counts[id];
  for (const auto& [id, count] : counts) {
    float& x = logits[id];
    x = x < 0 ? x * sampling.repetition_penalty : x / sampling.repetition_penalty;
    x = bounded(x) - (sampling.presence_penalty + sampling.frequency_penalty * static_cast<float>(count));
  }
}

/// The candidates that top-p, min-p and top-k leave, best first. Each of the three keeps a head of the sorted
/// distribution, so together they keep the shortest of the three heads, whatever their order.
std::vector<std::int32_t> candidates(std::span<const float> logits, const Sampling& sampling) {
  const double total = log_sum_exp(logits);
  const auto logprob = [&](std::int32_t id) { return static_cast<double>(logits[id]) - total; };
  const auto vocabulary = logits.size();
  auto limit = vocabulary;
  if (sampling.top_k > 0) limit = std::min(limit, static_cast<std::size_t>(sampling.top_k));

  std::vector<std::int32_t> ids(vocabulary);
  std::iota(ids.begin(), ids.end(), 0);
  if (sampling.min_p > 0) {
    const double least = logprob(argmax(logits)) + std::log(static_cast<double>(sampling.min_p));
    std::erase_if(ids, [&](std::int32_t id) { return logprob(id) < least; });
    limit = std::min(limit, ids.size());
  }
  if (sampling.top_p >= 1) {
    if (limit < ids.size()) {
      std::nth_element(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(limit), ids.end(), Better{logits});
      ids.resize(limit);
    }
    std::sort(ids.begin(), ids.end(), Better{logits});
    return ids;
  }
  // Sort only as far as the mass reaches: most of a large vocabulary is never looked at.
  std::size_t sorted = 0;
  std::size_t kept = 0;
  double mass = 0;
  while (kept < limit && mass < static_cast<double>(sampling.top_p)) {
    if (kept == sorted) {
      const auto next = std::min(ids.size(), std::max<std::size_t>(64, sorted * 4));
      std::partial_sort(ids.begin() + static_cast<std::ptrdiff_t>(sorted),
                        ids.begin() + static_cast<std::ptrdiff_t>(next), ids.end(), Better{logits});
      sorted = next;
    }
    mass += std::exp(logprob(ids[kept++]));
  }
  ids.resize(std::max<std::size_t>(kept, 1));
  return ids;
}

std::int32_t draw(std::span<const float> logits, const Sampling& sampling, std::uint64_t position) {
  const auto ids = candidates(logits, sampling);
  const double top = logits[ids[0]];
  std::vector<double> cumulative(ids.size());
  double sum = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    sum += std::exp((static_cast<double>(logits[ids[i]]) - top) / static_cast<double>(sampling.temperature));
    cumulative[i] = sum;
  }
  const double target = uniform_at(sampling.seed, position) * sum;
  const auto found = std::upper_bound(cumulative.begin(), cumulative.end(), target);
  return found == cumulative.end() ? ids.back() : ids[found - cumulative.begin()];
}

}  // namespace

Choice choose(std::span<const float> logits, std::span<const std::int32_t> history, const Sampling& sampling,
              std::int64_t logprobs) {
  check_finite(logits);
  std::vector<float> changed;
  auto scores = logits;
  if (changes_logits(sampling)) {
    changed.assign(logits.begin(), logits.end());
    apply_penalties(changed, history, sampling);
    scores = changed;
  }
  Choice choice{sampling.temperature > 0 ? draw(scores, sampling, history.size()) : argmax(scores), std::nullopt, {}};
  if (logprobs < 0) return choice;
  const Distribution distribution(logits);
  choice.logprob = distribution.logprob(choice.id);
  choice.top = distribution.top(static_cast<std::size_t>(logprobs));
  return choice;
}

}  // namespace punie::engine
