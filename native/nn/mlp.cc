#include "nn/mlp.h"

#include "kernels/swiglu.h"

namespace punie::nn {

namespace {

Tensor swiglu(Pass& pass, const Tensor& gate, const Tensor& up) {
  if (!pass.kernels()) return Tensor(pass.runtime().swiglu(gate.array(), up.array()));
  auto y = pass.make(gate.rows(), gate.cols());
  pass.row_step(gate.rows(), [g = gate.data(), u = up.data(), to = y.data(), cols = gate.cols()](auto begin, auto end) {
    kernels::swiglu(g + begin * cols, u + begin * cols, (end - begin) * cols, to + begin * cols);
  });
  return y;
}

}  // namespace

Tensor Mlp::operator()(Pass& pass, const Tensor& x) const {
  const std::array layers{&gate_proj, &up_proj};
  const auto inner = [&] {
    const auto projected = project(pass, x, layers);
    return swiglu(pass, projected[0], projected[1]);
  }();
  return down_proj(pass, inner);
}

}  // namespace punie::nn
