#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/distribution.h"
#include "engine/request.h"

namespace punie::engine {

struct Choice {
  std::int32_t id;
  /// Natural logarithm, of the model's own distribution before sampling changed it; if asked for.
  std::optional<float> logprob;
  TopTokens top;
};

/// Chooses the next token from the model's logits [vocabulary].
///
/// In mlx-lm's order: logit bias, repetition, presence and frequency penalty over the last tokens of prompt and
/// answer; then top-p, min-p and top-k, each on the log-probabilities that the penalties left; then the temperature.
/// The noise is a function of the seed and of `history.size()`, the position of the token being chosen.
///
/// Throws MODEL_CORRUPT when the logits are not finite: weights or scales are damaged.
Choice choose(std::span<const float> logits, std::span<const std::int32_t> history, const Sampling& sampling,
              std::int64_t logprobs);

}  // namespace punie::engine
