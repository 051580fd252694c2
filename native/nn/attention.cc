#include "nn/attention.h"

namespace punie::nn {

Tensor Attention::operator()(Pass& pass, const Rope& rope, const Tensor& x, std::int64_t layer) const {
  const std::array layers{&q_proj, &k_proj, &v_proj};
  const auto attended = [&] {
    const auto projected = project(pass, x, layers);
    const auto &q = projected[0], &k = projected[1], &v = projected[2];
    return pass.kernels() ? attend_kernels(pass, rope, q, k, v, layer) : attend_stock(pass, rope, q, k, v, layer);
  }();
  return o_proj(pass, attended);
}

}  // namespace punie::nn
