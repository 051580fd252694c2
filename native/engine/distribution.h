#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace punie::engine {

/// Ids and their log-probabilities, best first.
using TopTokens = std::vector<std::pair<std::int32_t, float>>;

/// Throws MODEL_CORRUPT when a logit is NaN or infinite: weights or scales are damaged.
void check_finite(std::span<const float> logits);
[[noreturn]] void throw_not_finite();

/// log(sum(exp(x))), in double.
double log_sum_exp(std::span<const float> logits);

/// The ids of the `count` best scores, best first; of equal ones the lower id.
std::vector<std::int32_t> best_ids(std::span<const float> scores, std::size_t count);

/// The model's own distribution over the next token. Log-probabilities are natural logarithms.
class Distribution {
 public:
  explicit Distribution(std::span<const float> logits) : logits_(logits), total_(log_sum_exp(logits)) {}

  float logprob(std::int32_t id) const { return static_cast<float>(static_cast<double>(logits_[id]) - total_); }
  TopTokens top(std::size_t count) const;

 private:
  std::span<const float> logits_;
  double total_;
};

}  // namespace punie::engine
