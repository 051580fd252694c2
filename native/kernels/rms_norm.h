#pragma once

#include <cstdint>

namespace punie::kernels {

/// y[n, dim] = x / sqrt(mean(x²) + eps) * weight[dim], row by row, in float32 (Zhang & Sennrich 2019). y may be x.
void rms_norm(const float* x, const float* weight, float eps, int64_t n, int64_t dim, float* y);

}  // namespace punie::kernels
