#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "nn/runtime.h"

namespace punie::nn {

/// Scaling of the rotary frequencies; fields as in Hugging Face's `rope_scaling`.
struct RopeScaling {
  enum class Type { linear, dynamic, llama3, yarn };
  Type type = Type::linear;
  float factor = 1;
  float low_freq_factor = 1;
  float high_freq_factor = 4;
  float original_max_position_embeddings = 8192;
  float beta_fast = 32;
  float beta_slow = 1;
  float mscale = 1;
  float mscale_all_dim = 0;
};

/// What a model's rotary embedding is made of.
struct RopeConfig {
  /// Dimensions of a head that are turned, the first ones: even, at most its size.
  int dimensions = 0;
  float theta = 10000;
  bool traditional = false;
  std::optional<RopeScaling> scaling;
  /// Positions that the model was trained for: beyond them `dynamic` scaling begins.
  std::int64_t max_position_embeddings = 0;
};

/// Rotary position embedding (Su et al., 2021).
class Rope {
 public:
  Rope(const Runtime& runtime, const RopeConfig& config);

  /// Pairs of dimensions that are turned.
  std::int64_t half() const { return config_.dimensions / 2; }
  /// True: pairs are neighbours (2i, 2i + 1). False: halves (i, i + half).
  bool traditional() const { return config_.traditional; }

  /// For the kernels: cosines, then sines of a position's angles, into table[2 * half].
  void angles(std::int32_t position, float* table) const;

  /// MLX's own: x [1, heads, n, head_dim] at positions `offset`, `offset` + 1, ...
  mx::array stock(const Runtime& runtime, const mx::array& x, int offset) const;

 private:
  /// Theta at a position: dynamic scaling raises it beyond the trained length.
  float theta_at(std::int64_t position) const;
  bool dynamic_at(std::int64_t position) const;

  RopeConfig config_;
  /// Positions are multiplied by this (linear scaling).
  float scale_ = 1;
  /// What is turned is multiplied by this, too (yarn).
  float magnitude_ = 1;
  /// Positions a radian [half] where they are not theta's own (llama3, yarn).
  std::optional<std::vector<float>> periods_;
  /// Radians a position [half].
  std::vector<float> inverse_frequencies_;
};

}  // namespace punie::nn
