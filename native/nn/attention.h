#pragma once

#include <cstdint>
#include <optional>

#include "nn/kv_cache.h"
#include "nn/linear.h"
#include "nn/pass.h"
#include "nn/rms_norm.h"
#include "nn/rope.h"

namespace punie::nn {

/// Causal self-attention with grouped queries (Ainslie et al., 2023), rotary positions and a KV cache. What only some
/// families have is optional, or off.
struct Attention {
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t head_dim;
  Linear q_proj;
  Linear k_proj;
  Linear v_proj;
  Linear o_proj;
  /// Norms of each head's query and key, before they are turned.
  std::optional<RmsNorm> q_norm;
  std::optional<RmsNorm> k_norm;
  /// q_proj gives each head a gate beside its query; what the head finds is multiplied by its sigmoid.
  bool gated = false;
  /// Positions that a token sees, its own and those right before it; 0: all.
  std::int64_t window = 0;

  /// x [rows, hidden], the rows of the pass; adds their keys and values to layer `layer` of its caches.
  Tensor operator()(Pass& pass, const Rope& rope, const Tensor& x, std::int64_t layer) const;

 private:
  struct Queries {
    Tensor q;
    std::optional<Tensor> gate;
  };
  Queries split(Pass& pass, const Tensor& projected) const;
  Tensor open(Pass& pass, const Tensor& y, const Tensor& gate) const;
  Tensor attend_kernels(Pass& pass, const Rope& rope, const Tensor& q, const Tensor& k, const Tensor& v,
                        std::int64_t layer) const;
  Tensor attend_stock(Pass& pass, const Rope& rope, const Tensor& q, const Tensor& k, const Tensor& v,
                      std::int64_t layer) const;
};

}  // namespace punie::nn
