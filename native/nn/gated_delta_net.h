#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "kernels/gated_delta.h"
#include "nn/linear.h"
#include "nn/pass.h"
#include "nn/rms_norm.h"

namespace punie::nn {

/// What a gated delta net makes of its input: queries, keys and values side by side [n, channels], the output's gate
/// [n, value_heads * value_dim], and what strength and decay come from [n, value_heads].
struct DeltaProjections {
  Tensor qkv;
  Tensor z;
  Tensor b;
  Tensor a;
};

/// Qwen3.5: a linear layer for each.
struct SplitDeltaInputs {
  Linear qkv;
  Linear z;
  Linear b;
  Linear a;

  DeltaProjections operator()(Pass& pass, const kernels::GatedDelta& shape, const Tensor& x) const;
};

/// Qwen3-Next: two linear layers, whose outputs are grouped by key head: its query, key, values and gates; its
/// strengths and decays.
struct FusedDeltaInputs {
  Linear qkvz;
  Linear ba;

  DeltaProjections operator()(Pass& pass, const kernels::GatedDelta& shape, const Tensor& x) const;
};

/// Linear attention with a state of one size in place of a KV cache (gated delta networks, Yang et al., 2024): a short
/// causal convolution of queries, keys and values, the gated delta rule, and a norm gated by the input.
struct GatedDeltaNet {
  kernels::GatedDelta shape;
  /// Tokens that the convolution sees.
  std::int64_t taps;
  std::variant<SplitDeltaInputs, FusedDeltaInputs> in_proj;
  /// [taps, channels]
  mx::array conv1d;
  /// [value_heads], float32
  mx::array dt_bias;
  mx::array a_log;
  RmsNorm norm;
  Linear out_proj;

  std::int64_t channels() const { return 2 * shape.key_heads * shape.key_dim + shape.value_heads * shape.value_dim; }
  RecurrentCacheShape cache_shape() const { return {(taps - 1) * channels(), shape.state_floats()}; }

  /// x [rows, hidden], the rows of the pass; layer `layer` of its caches goes on by them.
  Tensor operator()(Pass& pass, const Tensor& x, std::int64_t layer) const;

 private:
  Tensor recur_kernels(Pass& pass, const DeltaProjections& projected, std::int64_t layer) const;
  Tensor recur_stock(Pass& pass, const DeltaProjections& projected, std::int64_t layer) const;
};

}  // namespace punie::nn
