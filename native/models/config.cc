#include "models/config.h"

#include <algorithm>

#include "error.h"

namespace punie::models {

namespace {

/// Bounds far above any model, and low enough that no product of them overflows.
constexpr std::int64_t kMostDimensions = 1 << 20;
constexpr std::int64_t kMostLayers = 4096;
constexpr std::int64_t kMostHeadDimensions = 4096;
constexpr std::int64_t kMostTaps = 64;
constexpr std::int64_t kMostExperts = 1 << 16;
constexpr std::int64_t kMostTokens = 1 << 26;

void check(const char* name, std::int64_t value, std::int64_t most) {
  if (value >= 1 && value <= most) return;
  throw Error("MODEL_CORRUPT", std::string("config.json: ") + name + " is " + std::to_string(value) +
                                   ", expected 1 to " + std::to_string(most) + ".");
}

void check_linear_attention(const ModelConfig& config) {
  if (!config.linear_attention) {
    throw Error("MODEL_CORRUPT", "config.json: layers of linear attention need its sizes.");
  }
  const auto& linear = *config.linear_attention;
  check("linear_num_key_heads", linear.linear_num_key_heads, kMostDimensions);
  check("linear_num_value_heads", linear.linear_num_value_heads, kMostDimensions);
  check("linear_key_head_dim", linear.linear_key_head_dim, kMostHeadDimensions);
  check("linear_value_head_dim", linear.linear_value_head_dim, kMostHeadDimensions);
  check("linear_conv_kernel_dim", linear.linear_conv_kernel_dim, kMostTaps);
  check("linear_num_key_heads * linear_key_head_dim", linear.linear_num_key_heads * linear.linear_key_head_dim,
        kMostDimensions);
  check("linear_num_value_heads * linear_value_head_dim", linear.linear_num_value_heads * linear.linear_value_head_dim,
        kMostDimensions);
  if (linear.linear_num_value_heads % linear.linear_num_key_heads != 0) {
    throw Error("MODEL_CORRUPT", "config.json: linear_num_value_heads must be a multiple of linear_num_key_heads.");
  }
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
  if (std::ranges::count(config.layer_types, LayerType::linear_attention) > 0) check_linear_attention(config);
  if (config.experts) check_experts(config, *config.experts);
  if (config.num_attention_heads % config.num_key_value_heads != 0 || config.head_dim % 2 != 0) {
    throw Error("MODEL_CORRUPT",
                "config.json: num_attention_heads must be a multiple of num_key_value_heads, and "
                "head_dim even.");
  }
}

void require_head(const ModelConfig& config) {
  if (!config.headless) return;
  throw Error("MODEL_UNSUPPORTED",
              "This model has no output head (lm_head): it makes embeddings, and can't generate or score tokens.");
}

}  // namespace punie::models
