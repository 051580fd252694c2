#pragma once

#include <memory>
#include <optional>

#include "nn/matrix.h"

namespace punie::nn {

/// A linear layer as one step of a kernel: rows x [n, in] to y [n, out].
struct LinearStep {
  Matrix::Product product;
  std::optional<mx::array> bias;
  std::int64_t out_features;

  void operator()(const float* x, std::int64_t n, float* y) const {
    product(x, n, bias ? bias->data<float>() : nullptr, y);
  }
};

/// y = x Wᵀ + b: x [n, in] to [n, out].
struct Linear {
  std::unique_ptr<Matrix> weight;
  std::optional<mx::array> bias;

  mx::array operator()(const mx::array& x) const { return weight->multiply(x, bias); }
  LinearStep step() const { return {weight->product(), bias, weight->out_features()}; }
};

/// Token ids [n] to rows [n, hidden]; `as_linear` is the tied output head.
struct Embedding {
  std::unique_ptr<Matrix> weight;

  mx::array operator()(const mx::array& ids) const { return weight->rows(ids); }
  mx::array as_linear(const mx::array& x) const { return weight->multiply(x, std::nullopt); }
};

}  // namespace punie::nn
