#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>

#include "nn/matrix.h"
#include "nn/pass.h"

namespace punie::nn {

/// y = x Wᵀ + b, and what the pass's adapter adds: x [n, in] to [n, out].
struct Linear {
  std::unique_ptr<Matrix> weight;
  std::optional<mx::array> bias;
  /// Where an adapter has what it adds to this layer; -1: none can.
  int slot = -1;

  Tensor operator()(Pass& pass, const Tensor& x) const;
};

/// Several linear layers on the same input; with the kernels one step computes them all.
std::vector<Tensor> project(Pass& pass, const Tensor& x, std::span<const Linear* const> layers);

/// Token ids [n] to rows [n, hidden]; `as_linear` is the tied output head.
struct Embedding {
  std::unique_ptr<Matrix> weight;

  Tensor operator()(Pass& pass, TokenIds ids) const { return weight->rows(pass, std::move(ids)); }
  Tensor as_linear(Pass& pass, const Tensor& x) const;
};

}  // namespace punie::nn
