#include "nn/attention.h"

#include <algorithm>

#include "kernels/swiglu.h"

namespace punie::nn {

Tensor Attention::operator()(Pass& pass, const Rope& rope, const Tensor& x, std::int64_t layer) const {
  const std::array layers{&q_proj, &k_proj, &v_proj};
  const auto attended = [&] {
    const auto projected = project(pass, x, layers);
    const auto [q, gate] = split(pass, projected[0]);
    const auto &k = projected[1], &v = projected[2];
    const auto y =
        pass.kernels() ? attend_kernels(pass, rope, q, k, v, layer) : attend_stock(pass, rope, q, k, v, layer);
    return gate ? open(pass, y, *gate) : y;
  }();
  return o_proj(pass, attended);
}

/// What q_proj gave [rows, heads * head_dim], or of a gated layer [rows, heads * (query, gate)].
Attention::Queries Attention::split(Pass& pass, const Tensor& projected) const {
  if (!gated) return {projected, std::nullopt};
  if (!pass.kernels()) {
    const auto& s = pass.runtime().stream;
    const int rows = projected.array().shape(0);
    const auto width = static_cast<int>(heads), dim = static_cast<int>(head_dim);
    const auto both = mx::reshape(projected.array(), {rows, width, 2, dim}, s);
    const auto part = [&](int which) {
      return Tensor(
          mx::reshape(mx::slice(both, {0, 0, which, 0}, {rows, width, which + 1, dim}, s), {rows, width * dim}, s));
    };
    return {part(0), part(1)};
  }
  auto q = pass.make(pass.rows(), heads * head_dim);
  auto gate = pass.make(pass.rows(), heads * head_dim);
  pass.row_step(pass.rows(), [from = projected.data(), q = q.data(), gate = gate.data(), dim = head_dim, heads = heads](
                                 auto begin, auto end) {
    for (auto head = begin * heads; head < end * heads; ++head) {
      std::copy_n(from + head * 2 * dim, dim, q + head * dim);
      std::copy_n(from + (head * 2 + 1) * dim, dim, gate + head * dim);
    }
  });
  return {q, gate};
}

Tensor Attention::open(Pass& pass, const Tensor& y, const Tensor& gate) const {
  if (!pass.kernels()) {
    const auto& s = pass.runtime().stream;
    return Tensor(mx::multiply(y.array(), mx::sigmoid(gate.array(), s), s));
  }
  pass.row_step(y.rows(), [y = y.data(), gate = gate.data(), cols = y.cols()](auto begin, auto end) {
    kernels::multiply_sigmoid(gate + begin * cols, y + begin * cols, (end - begin) * cols);
  });
  return y;
}

}  // namespace punie::nn
