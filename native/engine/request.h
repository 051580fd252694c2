#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace punie::engine {

/// How a token is chosen; the options and their order are mlx-lm's.
struct Sampling {
  float temperature = 0;   // 0: greedy
  float top_p = 1;         // 1: off
  std::int64_t top_k = 0;  // 0: off
  float min_p = 0;         // 0: off
  float repetition_penalty = 1;
  std::int64_t repetition_context = 20;
  float presence_penalty = 0;
  float frequency_penalty = 0;
  std::vector<std::pair<std::int32_t, float>> logit_bias;
  std::uint64_t seed = 0;
};

/// Which hidden states, after the final norm, an embedding is made of: the last token's, or the mean of all.
enum class Pooling { none, last, mean };

struct Request {
  std::int64_t id = 0;
  std::vector<std::int32_t> prompt;
  std::int64_t max_tokens = 0;
  std::vector<std::int32_t> stop_ids;
  Sampling sampling;
  /// -1: none; 0: the chosen token's log-probability; N: and the N best.
  std::int64_t logprobs = -1;
  /// As `logprobs`, for each token of the prompt but the first, which nothing precedes.
  std::int64_t prompt_logprobs = -1;
  /// The prompt's embedding.
  Pooling pooling = Pooling::none;
  /// Tokens whose log-probabilities after the prompt are asked for.
  std::vector<std::int32_t> score_ids;

  /// The adapter that was loaded under this number; 0: none.
  std::int64_t adapter = 0;

  /// False: the request ends with its prompt.
  bool answers() const { return max_tokens > 0; }
};

}  // namespace punie::engine
