#include "nn/mlp.h"

#include <memory>

#include "kernels/swiglu.h"
#include "nn/cpu_op.h"

namespace punie::nn {

namespace {

/// The whole block as one node: a node costs MLX microseconds, which a small model's layers do not take themselves.
mx::array run_kernels(const Runtime& runtime, const Mlp& mlp, const mx::array& x) {
  const auto n = static_cast<std::int64_t>(x.shape(0));
  return cpu_op("KernelMlp", runtime, x.shape(), {x},
                [gate = mlp.gate_proj.step(), up = mlp.up_proj.step(), down = mlp.down_proj.step(), n,
                 parallel = runtime.parallel](const auto& in, float* out) {
                  const auto* x = static_cast<const float*>(in[0]);
                  const auto count = n * gate.out_features;
                  const auto inner = std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(2 * count));
                  gate(x, n, inner.get());
                  up(x, n, inner.get() + count);
                  kernels::swiglu(inner.get(), inner.get() + count, count, inner.get(), parallel);
                  down(inner.get(), n, out);
                });
}

}  // namespace

mx::array Mlp::operator()(const Runtime& runtime, const mx::array& x) const {
  if (runtime.use_kernels) return run_kernels(runtime, *this, x);
  const auto& s = runtime.stream;
  const auto gate = gate_proj(x);
  return down_proj(mx::multiply(mx::multiply(gate, mx::sigmoid(gate, s), s), up_proj(x), s));
}

}  // namespace punie::nn
