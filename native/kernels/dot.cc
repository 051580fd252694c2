#include "dot.h"

#include <algorithm>

namespace punie::kernels {
namespace {

constexpr int lanes = 16;
constexpr int64_t block = 512;  // shorter sums are more exact

}  // namespace

// In interleaved parts, which compilers turn into vectors. In a file of its own, so that it is not inlined: one
// compiled form gives every caller the same bits.
float dot(const float* a, const float* b, int64_t count) {
  float total[lanes] = {};
  for (int64_t start = 0; start < count; start += block) {
    const int64_t end = std::min(start + block, count);
    float sum[lanes] = {};
    int64_t i = start;
    for (; i + lanes <= end; i += lanes)
      for (int lane = 0; lane < lanes; ++lane) sum[lane] += a[i + lane] * b[i + lane];
    for (int lane = 0; i < end; ++i, ++lane) sum[lane] += a[i] * b[i];
    for (int lane = 0; lane < lanes; ++lane) total[lane] += sum[lane];
  }
  for (int width = lanes / 2; width > 0; width /= 2)
    for (int lane = 0; lane < width; ++lane) total[lane] += total[lane + width];
  return total[0];
}

}  // namespace punie::kernels
