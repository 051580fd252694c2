#include "nn/attention.h"

namespace punie::nn {

mx::array Attention::operator()(const Runtime& runtime, const Rope& rope, const mx::array& x, const Batch& batch,
                                std::int64_t layer) const {
  const auto q = q_proj(x);
  const auto k = k_proj(x);
  const auto v = v_proj(x);
  const auto attended = runtime.use_kernels ? attend_kernel(runtime, rope, q, k, v, batch, layer)
                                            : attend_stock(runtime, rope, q, k, v, batch, layer);
  return o_proj(attended);
}

}  // namespace punie::nn
