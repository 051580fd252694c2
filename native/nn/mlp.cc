#include "nn/mlp.h"

#include "kernels/swiglu.h"
#include "nn/cpu_op.h"

namespace punie::nn {

namespace {

mx::array swiglu(const Runtime& runtime, const mx::array& gate, const mx::array& up) {
  if (!runtime.use_kernels) {
    const auto& s = runtime.stream;
    return mx::multiply(mx::multiply(gate, mx::sigmoid(gate, s), s), up, s);
  }
  const auto count = static_cast<std::int64_t>(gate.size());
  return cpu_op("KernelSwiglu", runtime, gate.shape(), {gate, up},
                [count, parallel = runtime.parallel](const auto& in, float* out) {
                  kernels::swiglu(static_cast<const float*>(in[0]), static_cast<const float*>(in[1]), count, out,
                                  parallel);
                });
}

}  // namespace

mx::array Mlp::operator()(const Runtime& runtime, const mx::array& x) const {
  return down_proj(swiglu(runtime, gate_proj(x), up_proj(x)));
}

}  // namespace punie::nn
