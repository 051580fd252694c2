#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/distribution.h"
#include "error.h"

namespace punie::engine {

struct PrefillEvent {
  std::int64_t request;
  std::int64_t processed;
  std::int64_t total;
};

struct TokenEvent {
  std::int64_t request;
  std::int32_t id;
  std::optional<float> logprob;
  TopTokens top;
};

/// A token of the prompt, given those before it.
struct ScoredToken {
  float logprob;
  TopTokens top;
};

/// Some neighbouring tokens of the prompt, the first of them at index `first`.
struct PromptLogprobsEvent {
  std::int64_t request;
  std::int64_t first;
  std::vector<ScoredToken> tokens;
};

/// The prompt's embedding, of the model's hidden size.
struct EmbeddingEvent {
  std::int64_t request;
  std::vector<float> values;
};

/// The log-probabilities of `Request::score_ids` after the prompt.
struct ScoresEvent {
  std::int64_t request;
  std::vector<float> logprobs;
};

enum class FinishReason { stop, length, cancelled };

/// Times in milliseconds: the prompt's from the start of its work to its end, the first token's from the request's
/// arrival, the generation's from the first token to the last.
struct FinishEvent {
  std::int64_t request;
  FinishReason reason;
  std::int64_t prompt_tokens;
  std::int64_t cached_tokens;
  std::int64_t completion_tokens;
  double prompt_ms;
  double first_token_ms;
  double generation_ms;
};

struct ErrorEvent {
  std::int64_t request;
  std::string code;
  std::string message;
};

inline ErrorEvent error_of(std::int64_t request, const std::exception_ptr& error) {
  auto [code, message] = describe(error, "There is no memory left for this request. Use a smaller context length.");
  return {request, std::move(code), std::move(message)};
}

/// An adapter can be used; or, with a code, it could not be loaded.
struct AdapterEvent {
  std::int64_t adapter;
  std::string code;
  std::string message;
};

/// The model is ready.
struct LoadedEvent {};
/// It could not be loaded; the engine has ended.
struct LoadFailedEvent {
  std::string code;
  std::string message;
};
/// Everything is freed and the owner thread is about to return. Always the last event.
struct StoppedEvent {};

using Event = std::variant<PrefillEvent, TokenEvent, PromptLogprobsEvent, EmbeddingEvent, ScoresEvent, FinishEvent,
                           ErrorEvent, AdapterEvent, LoadedEvent, LoadFailedEvent, StoppedEvent>;

/// Called on the owner thread; must not block.
using EventSink = std::function<void(Event)>;

}  // namespace punie::engine
