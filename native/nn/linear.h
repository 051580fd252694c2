#pragma once

#include <memory>
#include <optional>

#include "nn/matrix.h"

namespace punie::nn {

/// y = x Wᵀ + b: x [n, in] to [n, out].
struct Linear {
  std::unique_ptr<Matrix> weight;
  std::optional<mx::array> bias;

  mx::array operator()(const mx::array& x) const { return weight->multiply(x, bias); }
};

/// Token ids [n] to rows [n, hidden]; `as_linear` is the tied output head.
struct Embedding {
  std::unique_ptr<Matrix> weight;

  mx::array operator()(const mx::array& ids) const { return weight->rows(ids); }
  mx::array as_linear(const mx::array& x) const { return weight->multiply(x, std::nullopt); }
};

}  // namespace punie::nn
