#include "engine/distribution.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "error.h"

namespace punie::engine {

void check_finite(std::span<const float> logits) {
  // By the bits, because this loop vectorizes and one with std::isfinite does not.
  constexpr std::uint32_t kExponent = 0x7f800000;
  std::uint32_t bad = 0;
  for (const float x : logits) bad |= (std::bit_cast<std::uint32_t>(x) & kExponent) == kExponent;
  if (bad) throw_not_finite();
}

void throw_not_finite() {
  throw Error("MODEL_CORRUPT",
              "The model's output is not finite (NaN or infinity). Its weights or scales are damaged: verify them with "
              "'punie models verify' or download the model again.");
}

double log_sum_exp(std::span<const float> logits) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - top);
  return top + std::log(sum);
}

std::vector<std::int32_t> best_ids(std::span<const float> scores, std::size_t count) {
  std::vector<std::int32_t> ids(scores.size());
  std::iota(ids.begin(), ids.end(), 0);
  count = std::min(count, ids.size());
  const auto better = [&](std::int32_t a, std::int32_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
  };
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count), ids.end(), better);
  ids.resize(count);
  return ids;
}

TopTokens Distribution::top(std::size_t count) const {
  TopTokens top;
  if (count == 0) return top;
  for (const auto id : best_ids(logits_, count)) top.emplace_back(id, logprob(id));
  return top;
}

}  // namespace punie::engine
