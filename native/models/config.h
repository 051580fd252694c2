#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nn/rope.h"

namespace punie::models {

/// What mixes the tokens of a layer.
enum class LayerType { full_attention, sliding_attention, linear_attention };

/// A mixture of experts in place of a layer's feed-forward block.
struct ExpertsConfig {
  std::int64_t num_experts = 0;
  std::int64_t num_experts_per_tok = 0;
  std::int64_t moe_intermediate_size = 0;
  /// 0: no expert is shared by all tokens.
  std::int64_t shared_expert_intermediate_size = 0;
  bool norm_topk_prob = false;
  /// For each layer, whether it has one.
  std::vector<bool> layers;
};

/// A gated delta net in place of a layer's attention.
struct LinearAttentionConfig {
  std::int64_t linear_num_key_heads = 0;
  std::int64_t linear_num_value_heads = 0;
  std::int64_t linear_key_head_dim = 0;
  std::int64_t linear_value_head_dim = 0;
  std::int64_t linear_conv_kernel_dim = 0;
};

/// config.json as TypeScript has checked it, with every default filled in. Names are the checkpoint's.
struct ModelConfig {
  std::string model_type;
  std::int64_t hidden_size = 0;
  std::int64_t num_hidden_layers = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_attention_heads = 0;
  std::int64_t num_key_value_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t vocab_size = 0;
  std::int64_t max_position_embeddings = 0;
  float rms_norm_eps = 1e-6f;
  nn::RopeConfig rope;
  /// One for each layer.
  std::vector<LayerType> layer_types;
  /// Positions that a layer of sliding attention sees.
  std::int64_t sliding_window = 0;
  bool tie_word_embeddings = false;
  /// An embedding model without lm_head: `Model::logits` throws.
  bool headless = false;
  bool attention_bias = false;
  bool mlp_bias = false;
  std::optional<ExpertsConfig> experts;
  std::optional<LinearAttentionConfig> linear_attention;
};

/// Throws MODEL_UNSUPPORTED or MODEL_CORRUPT for sizes that no layer can have. TypeScript has checked them already;
/// memory safety does not lean on that.
void check_config(const ModelConfig& config);

/// Throws MODEL_UNSUPPORTED for a model that has no output head.
void require_head(const ModelConfig& config);

}  // namespace punie::models
