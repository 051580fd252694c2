#pragma once

#include <cstdint>

#include "nn/kv_cache.h"
#include "nn/linear.h"
#include "nn/pass.h"
#include "nn/rope.h"

namespace punie::nn {

/// Causal self-attention with grouped queries (Ainslie et al., 2023), rotary positions and a KV cache.
struct Attention {
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t head_dim;
  Linear q_proj;
  Linear k_proj;
  Linear v_proj;
  Linear o_proj;

  /// x [rows, hidden], the rows of the pass; adds their keys and values to layer `layer` of its caches.
  Tensor operator()(Pass& pass, const Rope& rope, const Tensor& x, std::int64_t layer) const;

 private:
  Tensor attend_kernels(Pass& pass, const Rope& rope, const Tensor& q, const Tensor& k, const Tensor& v,
                        std::int64_t layer) const;
  Tensor attend_stock(Pass& pass, const Rope& rope, const Tensor& q, const Tensor& k, const Tensor& v,
                      std::int64_t layer) const;
};

}  // namespace punie::nn
