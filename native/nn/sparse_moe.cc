#include "nn/sparse_moe.h"

#include <cmath>

#include "nn/adapter.h"

namespace punie::nn {

Tensor SparseMoe::operator()(Pass& pass, const Tensor& x) const {
  const auto y = pass.kernels() ? routed_kernels(pass, x) : routed_stock(pass, x);
  if (!shared_expert) return y;
  return add_shared(pass, y, (*shared_expert)(pass, x), (*shared_expert_gate)(pass, x));
}

Tensor SparseMoe::add_shared(Pass& pass, const Tensor& y, const Tensor& shared, const Tensor& gate) const {
  if (!pass.kernels()) {
    const auto& s = pass.runtime().stream;
    return Tensor(mx::add(y.array(), mx::multiply(mx::sigmoid(gate.array(), s), shared.array(), s), s));
  }
  pass.row_step(y.rows(),
                [y = y.data(), shared = shared.data(), gate = gate.data(), cols = y.cols()](auto begin, auto end) {
                  for (auto row = begin; row < end; ++row) {
                    const float share = 1 / (1 + std::exp(-gate[row]));
                    for (auto i = row * cols; i < (row + 1) * cols; ++i) y[i] += share * shared[i];
                  }
                });
  return y;
}

Tensor SparseMoe::routed_stock(Pass& pass, const Tensor& x) const {
  const auto& s = pass.runtime().stream;
  const auto logits = gate(pass, x).array();
  const int rows = logits.shape(0), chosen = static_cast<int>(per_token);
  const auto shares_of_all = mx::softmax(logits, -1, true, s);
  const auto order = mx::argpartition(mx::negative(shares_of_all, s), chosen - 1, -1, s);
  const auto ids = mx::slice(order, {0, 0}, {rows, chosen}, s);
  auto shares = mx::take_along_axis(shares_of_all, ids, -1, s);
  if (normalize) shares = mx::divide(shares, mx::sum(shares, -1, true, s), s);
  const auto each = mx::expand_dims(x.array(), {1, 2}, s);
  const auto multiply = [&](const ExpertMatrices& matrices, const mx::array& inputs) {
    const auto y = matrices.multiply(inputs, ids);
    const auto* added = pass.adapter() ? pass.adapter()->find_experts(matrices.slot) : nullptr;
    return added == nullptr ? y : added->add(inputs, ids, y);
  };
  const auto inner = pass.runtime().swiglu(multiply(*experts.gate_proj, each), multiply(*experts.up_proj, each));
  const auto said = mx::squeeze(multiply(*experts.down_proj, inner), 2, s);
  return Tensor(mx::sum(mx::multiply(said, mx::expand_dims(shares, -1, s), s), 1, false, s));
}

}  // namespace punie::nn
