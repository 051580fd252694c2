#include "nn/rms_norm.h"

#include "kernels/rms_norm.h"
#include "nn/cpu_op.h"

namespace punie::nn {

mx::array RmsNorm::operator()(const Runtime& runtime, const mx::array& x) const {
  if (!runtime.use_kernels) return mx::fast::rms_norm(x, weight, eps, runtime.stream);
  const auto n = x.shape(0);
  const auto dim = x.shape(1);
  return cpu_op("KernelRmsNorm", runtime, {n, dim}, {x, weight},
                [n, dim, eps = eps, parallel = runtime.parallel](const auto& in, float* out) {
                  kernels::rms_norm(static_cast<const float*>(in[0]), static_cast<const float*>(in[1]), eps, n, dim,
                                    out, parallel);
                });
}

}  // namespace punie::nn
