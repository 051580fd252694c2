#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "nn/runtime.h"

namespace punie::nn {

/// Scaling of the rotary frequencies; fields as in Hugging Face's `rope_scaling`.
struct RopeScaling {
  enum class Type { linear, llama3 };
  Type type = Type::linear;
  float factor = 1;
  float low_freq_factor = 1;
  float high_freq_factor = 4;
  float original_max_position_embeddings = 8192;
};

/// Rotary position embedding (Su et al., 2021) over all of a head's dimensions.
class Rope {
 public:
  Rope(const Runtime& runtime, int head_dim, float theta, bool traditional, const std::optional<RopeScaling>& scaling);

  /// Radians a position, per pair of dimensions [head_dim / 2]; what the kernels use.
  const std::shared_ptr<const std::vector<float>>& inverse_frequencies() const { return inverse_frequencies_; }
  /// True: pairs are neighbours (2i, 2i + 1). False: halves (i, i + head_dim / 2).
  bool traditional() const { return traditional_; }

  /// MLX's own: x [1, heads, n, head_dim] at positions `offset`, `offset` + 1, ...
  mx::array stock(const Runtime& runtime, const mx::array& x, int offset) const;

 private:
  int head_dim_;
  float theta_;
  bool traditional_;
  /// Positions are multiplied by this (linear scaling).
  float scale_ = 1;
  /// Periods [head_dim / 2] where they are not theta's own (llama3).
  std::optional<std::vector<float>> periods_;
  std::shared_ptr<const std::vector<float>> inverse_frequencies_;
};

}  // namespace punie::nn
