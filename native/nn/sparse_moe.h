#pragma once

#include <memory>
#include <optional>

#include "nn/expert_matrices.h"
#include "nn/linear.h"
#include "nn/mlp.h"
#include "nn/pass.h"

namespace punie::nn {

/// The feed-forward blocks of which a token uses a few: down(silu(gate(x)) * up(x)) of each.
struct Experts {
  std::int64_t count;
  std::unique_ptr<ExpertMatrices> gate_proj;
  std::unique_ptr<ExpertMatrices> up_proj;
  std::unique_ptr<ExpertMatrices> down_proj;
};

/// A mixture of experts (Shazeer et al., 2017): a token goes to the `per_token` experts whose softmax over the gate's
/// logits is largest, and what they say is added up by these shares.
struct SparseMoe {
  Linear gate;
  Experts experts;
  std::int64_t per_token;
  /// The shares of the chosen experts sum up to 1.
  bool normalize;
  /// An expert that every token goes to, weighted by the sigmoid of its own gate.
  std::optional<Mlp> shared_expert;
  std::optional<Linear> shared_expert_gate;

  Tensor operator()(Pass& pass, const Tensor& x) const;

 private:
  Tensor routed_kernels(Pass& pass, const Tensor& x) const;
  Tensor routed_stock(Pass& pass, const Tensor& x) const;
  /// y + sigmoid(gate) * shared.
  Tensor add_shared(Pass& pass, const Tensor& y, const Tensor& shared, const Tensor& gate) const;
};

}  // namespace punie::nn
