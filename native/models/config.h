#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "nn/rope.h"

namespace punie::models {

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
  float rope_theta = 10000;
  bool rope_traditional = false;
  std::optional<nn::RopeScaling> rope_scaling;
  bool tie_word_embeddings = false;
  bool attention_bias = false;
  bool mlp_bias = false;
};

/// Throws MODEL_UNSUPPORTED or MODEL_CORRUPT for sizes that no layer can have. TypeScript has checked them already;
/// memory safety does not lean on that.
void check_config(const ModelConfig& config);

}  // namespace punie::models
