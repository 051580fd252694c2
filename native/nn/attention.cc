#include "nn/attention.h"

namespace punie::nn {

mx::array Attention::operator()(const Runtime& runtime, const Rope& rope, const mx::array& x, const Batch& batch,
                                std::int64_t layer) const {
  if (runtime.use_kernels) return run_kernels(runtime, rope, x, batch, layer);
  return o_proj(attend_stock(runtime, rope, q_proj(x), k_proj(x), v_proj(x), batch, layer));
}

}  // namespace punie::nn
