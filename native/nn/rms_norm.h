#pragma once

#include "nn/runtime.h"

namespace punie::nn {

/// x / sqrt(mean(x²) + eps) * weight, over the last dimension (Zhang and Sennrich, 2019).
struct RmsNorm {
  mx::array weight;
  float eps;

  mx::array operator()(const Runtime& runtime, const mx::array& x) const;
};

}  // namespace punie::nn
