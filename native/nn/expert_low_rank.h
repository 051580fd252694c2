#pragma once

#include <vector>

#include "nn/low_rank.h"

namespace punie::nn {

/// What an adapter adds to the matrices of a layer's experts: to each its own x A B.
class ExpertLowRank {
 public:
  /// One for each expert, all of one rank and without magnitudes. Throws MODEL_CORRUPT for values that are not finite.
  ExpertLowRank(const Runtime& runtime, std::vector<LowRank::Values> experts);

  /// With the kernels: adds to y[rows, out] what the expert makes of x[rows, in], on this thread.
  void add(std::int32_t expert, const float* x, float* y, std::int64_t rows) const;
  /// With MLX's operations: y, which experts `ids` [n, k] made of x [n, k or 1, 1, in], and what this adds.
  mx::array add(const mx::array& x, const mx::array& ids, const mx::array& y) const;

 private:
  const Runtime& runtime_;
  std::vector<LowRank::Values> experts_;
  std::optional<mx::array> a_;  // [experts, in, rank]
  std::optional<mx::array> b_;  // [experts, rank, out]
};

}  // namespace punie::nn
