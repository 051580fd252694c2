#pragma once

#include <cstdint>

#include "nn/kv_cache.h"
#include "nn/linear.h"
#include "nn/rope.h"
#include "nn/runtime.h"

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

  /// x [rows, hidden], the rows of `batch`; adds their keys and values to layer `layer` of its caches.
  mx::array operator()(const Runtime& runtime, const Rope& rope, const mx::array& x, const Batch& batch,
                       std::int64_t layer) const;

 private:
  /// All of it as one node.
  mx::array run_kernels(const Runtime& runtime, const Rope& rope, const mx::array& x, const Batch& batch,
                        std::int64_t layer) const;
  mx::array attend_stock(const Runtime& runtime, const Rope& rope, const mx::array& q, const mx::array& k,
                         const mx::array& v, const Batch& batch, std::int64_t layer) const;
};

}  // namespace punie::nn
