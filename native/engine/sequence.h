#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "engine/request.h"
#include "nn/adapter.h"
#include "nn/kv_cache.h"

namespace punie::engine {

using Clock = std::chrono::steady_clock;

/// A request being worked on: its tokens so far and the cache that holds the first of them.
struct Sequence {
  Request request;
  /// Of the request; kept as long as it runs, though the model may be done with it.
  std::shared_ptr<const nn::Adapter> adapter;
  Clock::time_point arrived;
  std::shared_ptr<nn::KvCache> cache;
  /// Prompt, then what was generated.
  std::vector<std::int32_t> tokens;
  std::int64_t cached_tokens = 0;
  bool cancelled = false;
  /// The sum of the hidden states so far, for a mean.
  std::vector<double> pooled;
  Clock::time_point begun;
  Clock::time_point prefilled;
  Clock::time_point first_token;
  Clock::time_point last_token;

  std::int64_t prompt_tokens() const { return static_cast<std::int64_t>(request.prompt.size()); }
  std::int64_t generated() const { return static_cast<std::int64_t>(tokens.size()) - prompt_tokens(); }
  /// Tokens whose keys and values are not computed yet; 1 while decoding.
  std::int64_t pending() const { return static_cast<std::int64_t>(tokens.size()) - cache->length(); }
  /// A prompt whose every token is looked at is computed whole; one without an answer is no conversation that goes on.
  bool reuses_prefix() const { return request.answers() && request.prompt_logprobs < 0; }
  bool prefilling() const { return generated() == 0; }
};

}  // namespace punie::engine
