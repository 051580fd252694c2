#pragma once

#include "nn/pass.h"

namespace punie::nn {

/// x / sqrt(mean(x²) + eps) * weight, over the last dimension (Zhang and Sennrich, 2019).
struct RmsNorm {
  mx::array weight;
  float eps;

  Tensor operator()(Pass& pass, const Tensor& x) const;
};

}  // namespace punie::nn
