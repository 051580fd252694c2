#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "nn/matrix.h"
#include "nn/pass.h"

namespace punie::nn {

/// What an adapter adds to one linear layer: y + (x A) B (LoRA, Hu et al., 2021), then, for DoRA (Liu et al., 2024),
/// each output brought to a magnitude of its own. In float32.
class LowRank {
 public:
  /// `a` [rank, in]; `b` [rank, out], times the scale; `magnitude` [out] or empty.
  struct Values {
    std::int64_t rank;
    std::int64_t in;
    std::int64_t out;
    std::vector<float> a;
    std::vector<float> b;
    std::vector<float> magnitude;

    /// Throws MODEL_CORRUPT.
    void check_finite() const;
    /// y[rows, out] += x[rows, in] Aᵀ B, on this thread.
    void add(const float* x, float* y, std::int64_t rows) const;
    mx::array array_a() const;
    mx::array array_b() const;
  };

  /// `weight` is the layer's matrix; for DoRA all its rows are read once, for the norms of W + A B. Throws
  /// MODEL_CORRUPT when what it would compute is not finite.
  LowRank(const Runtime& runtime, Values values, const Matrix& weight);

  /// DoRA scales the product without the bias: then the layer must leave it out, and `apply` adds it.
  bool takes_bias() const { return !factors_.empty(); }
  /// `y`: what the layer makes of x. Its memory may become the result's.
  Tensor apply(Pass& pass, const Tensor& x, const Tensor& y, const std::optional<mx::array>& bias) const;

 private:
  /// The same as MLX arrays of what its operations compute in.
  struct Arrays {
    mx::array a;  // [in, rank]
    mx::array b;  // [rank, out]
    std::optional<mx::array> factors;
  };

  void add_rows(const float* x, const float* bias, float* y, std::int64_t rows) const;
  mx::array add_stock(const mx::array& x, const mx::array& y, const std::optional<mx::array>& bias) const;
  std::vector<float> row_norms(const Matrix& weight) const;
  Arrays make_arrays() const;

  const Runtime& runtime_;
  Values values_;
  /// DoRA: magnitude / norm of the row of W + A B, for each output.
  std::vector<float> factors_;
  std::optional<Arrays> arrays_;
};

}  // namespace punie::nn
