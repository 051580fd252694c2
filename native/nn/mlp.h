#pragma once

#include "nn/linear.h"
#include "nn/pass.h"

namespace punie::nn {

/// The gated feed-forward block: down(silu(gate(x)) * up(x)) (SwiGLU, Shazeer 2020). x [n, hidden].
struct Mlp {
  Linear gate_proj;
  Linear up_proj;
  Linear down_proj;

  Tensor operator()(Pass& pass, const Tensor& x) const;
};

}  // namespace punie::nn
