#include "models/config.h"

#include <algorithm>

#include "error.h"

namespace punie::models {

namespace {

/// Bounds far above any model, and low enough that no product of them overflows.
constexpr std::int64_t kMostDimensions = 1 << 20;
constexpr std::int64_t kMostLayers = 4096;
constexpr std::int64_t kMostExperts = 1 << 16;
constexpr std::int64_t kMostTokens = 1 << 26;

void check(const char* name, std::int64_t value, std::int64_t most) {
  if (value >= 1 && value <= most) return;
  throw Error("MODEL_CORRUPT", std::string("config.json: ") + name + " is " + std::to_string(value) +
                                   ", expected 1 to " + std::to_string(most) + ".");
}

void check_experts(const ModelConfig& config, const ExpertsConfig& experts) {
  check("num_experts", experts.num_experts, kMostExperts);
  check("num_experts_per_tok", experts.num_experts_per_tok, experts.num_experts);
  check("moe_intermediate_size", experts.moe_intermediate_size, kMostDimensions);
  if (experts.shared_expert_intermediate_size != 0) {
    check("shared_expert_intermediate_size", experts.shared_expert_intermediate_size, kMostDimensions);
  }
  if (static_cast<std::int64_t>(experts.layers.size()) != config.num_hidden_layers) {
    throw Error("MODEL_CORRUPT", "config.json: the layers of experts must be told for each layer.");
  }
}

}  // namespace

void check_config(const ModelConfig& config) {
  check("hidden_size", config.hidden_size, kMostDimensions);
  check("num_hidden_layers", config.num_hidden_layers, kMostLayers);
  check("intermediate_size", config.intermediate_size, kMostDimensions);
  check("num_attention_heads", config.num_attention_heads, kMostDimensions);
  check("num_key_value_heads", config.num_key_value_heads, config.num_attention_heads);
  check("head_dim", config.head_dim, kMostDimensions);
  check("vocab_size", config.vocab_size, kMostTokens);
  check("num_attention_heads * head_dim", config.num_attention_heads * config.head_dim, kMostDimensions);
  check("rotary dimensions", config.rope.dimensions, config.head_dim);
  check("rope max_position_embeddings", config.rope.max_position_embeddings, kMostDimensions * kMostDimensions);
  if (config.rope.dimensions % 2 != 0) throw Error("MODEL_CORRUPT", "config.json: the rotary dimensions must be even.");
  if (static_cast<std::int64_t>(config.layer_types.size()) != config.num_hidden_layers) {
    throw Error("MODEL_CORRUPT", "config.json: layer_types must have an entry for each layer.");
  }
  if (std::ranges::count(config.layer_types, LayerType::sliding_attention) > 0) {
    check("sliding_window", config.sliding_window, kMostDimensions * kMostDimensions);
  }
  if (config.experts) check_experts(config, *config.experts);
  if (config.num_attention_heads % config.num_key_value_heads != 0 || config.head_dim % 2 != 0) {
    throw Error("MODEL_CORRUPT",
                "config.json: num_attention_heads must be a multiple of num_key_value_heads, and "
                "head_dim even.");
  }
}

}  // namespace punie::models
