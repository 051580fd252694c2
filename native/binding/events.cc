#include "binding/events.h"

#include <algorithm>
#include <functional>

namespace punie::binding {

namespace {

Napi::Object make(Napi::Env env, const char* type, std::int64_t request) {
  auto object = Napi::Object::New(env);
  object.Set("type", type);
  object.Set("request", static_cast<double>(request));
  return object;
}

const char* name_of(engine::FinishReason reason) {
  switch (reason) {
    case engine::FinishReason::stop:
      return "stop";
    case engine::FinishReason::length:
      return "length";
    default:
      return "cancelled";
  }
}

Napi::Array to_js(Napi::Env env, const engine::TopTokens& top) {
  auto array = Napi::Array::New(env, top.size());
  for (std::size_t i = 0; i < top.size(); ++i) {
    auto pair = Napi::Array::New(env, 2);
    pair.Set(0u, static_cast<double>(top[i].first));
    pair.Set(1u, static_cast<double>(top[i].second));
    array.Set(static_cast<std::uint32_t>(i), pair);
  }
  return array;
}

Napi::Float32Array to_js(Napi::Env env, const std::vector<float>& values) {
  auto array = Napi::Float32Array::New(env, values.size());
  std::ranges::copy(values, array.Data());
  return array;
}

struct ToJs {
  Napi::Env env;

  std::optional<Napi::Object> operator()(const engine::PrefillEvent& event) const {
    auto object = make(env, "prefill", event.request);
    object.Set("processed", static_cast<double>(event.processed));
    object.Set("total", static_cast<double>(event.total));
    return object;
  }

  std::optional<Napi::Object> operator()(const engine::TokenEvent& event) const {
    auto object = make(env, "token", event.request);
    object.Set("id", static_cast<double>(event.id));
    if (!event.logprob) return object;
    object.Set("logprob", static_cast<double>(*event.logprob));
    object.Set("top", to_js(env, event.top));
    return object;
  }

  std::optional<Napi::Object> operator()(const engine::PromptLogprobsEvent& event) const {
    auto object = make(env, "prompt-logprobs", event.request);
    object.Set("first", static_cast<double>(event.first));
    auto logprobs = Napi::Float32Array::New(env, event.tokens.size());
    std::ranges::transform(event.tokens, logprobs.Data(), &engine::ScoredToken::logprob);
    object.Set("logprobs", logprobs);
    if (event.tokens.front().top.empty()) return object;
    auto top = Napi::Array::New(env, event.tokens.size());
    for (std::size_t i = 0; i < event.tokens.size(); ++i) {
      top.Set(static_cast<std::uint32_t>(i), to_js(env, event.tokens[i].top));
    }
    object.Set("top", top);
    return object;
  }

  std::optional<Napi::Object> operator()(const engine::EmbeddingEvent& event) const {
    auto object = make(env, "embedding", event.request);
    object.Set("values", to_js(env, event.values));
    return object;
  }

  std::optional<Napi::Object> operator()(const engine::ScoresEvent& event) const {
    auto object = make(env, "scores", event.request);
    object.Set("logprobs", to_js(env, event.logprobs));
    return object;
  }

  std::optional<Napi::Object> operator()(const engine::FinishEvent& event) const {
    auto object = make(env, "finish", event.request);
    object.Set("reason", name_of(event.reason));
    object.Set("promptTokens", static_cast<double>(event.prompt_tokens));
    object.Set("cachedTokens", static_cast<double>(event.cached_tokens));
    object.Set("completionTokens", static_cast<double>(event.completion_tokens));
    object.Set("promptMs", event.prompt_ms);
    object.Set("firstTokenMs", event.first_token_ms);
    object.Set("generationMs", event.generation_ms);
    return object;
  }

  std::optional<Napi::Object> operator()(const engine::ErrorEvent& event) const {
    auto object = make(env, "error", event.request);
    object.Set("code", event.code);
    object.Set("message", event.message);
    return object;
  }

  std::optional<Napi::Object> operator()(const engine::AdapterEvent&) const { return std::nullopt; }
  std::optional<Napi::Object> operator()(const engine::LoadedEvent&) const { return std::nullopt; }
  std::optional<Napi::Object> operator()(const engine::LoadFailedEvent&) const { return std::nullopt; }
  std::optional<Napi::Object> operator()(const engine::StoppedEvent&) const { return std::nullopt; }
};

}  // namespace

std::optional<Napi::Object> to_js(Napi::Env env, const engine::Event& event) { return std::visit(ToJs{env}, event); }

}  // namespace punie::binding
