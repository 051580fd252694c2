#include "rms_norm.h"

#include <cmath>

namespace punie::kernels {
namespace {

constexpr int lanes = 16;

/// In interleaved parts, which compilers turn into vectors.
float sum_of_squares(const float* x, int64_t count) {
  float sum[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int lane = 0; lane < lanes; ++lane) sum[lane] += x[i + lane] * x[i + lane];
  for (int lane = 0; i < count; ++i, ++lane) sum[lane] += x[i] * x[i];
  for (int width = lanes / 2; width > 0; width /= 2)
    for (int lane = 0; lane < width; ++lane) sum[lane] += sum[lane + width];
  return sum[0];
}

}  // namespace

void rms_norm(const float* x, const float* weight, float eps, int64_t n, int64_t dim, float* y) {
  for (int64_t row = 0; row < n; ++row) {
    const float* from = x + row * dim;
    float* to = y + row * dim;
    const float inverse = 1.0f / std::sqrt(sum_of_squares(from, dim) / static_cast<float>(dim) + eps);
    for (int64_t i = 0; i < dim; ++i) to[i] = from[i] * inverse * weight[i];
  }
}

}  // namespace punie::kernels
