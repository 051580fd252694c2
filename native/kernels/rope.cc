#include "rope.h"

#include <algorithm>
#include <cmath>

#include "scratch.h"

namespace punie::kernels {

void rope(const float* x, int64_t x_stride, const int32_t* positions, int64_t n, int64_t heads, int64_t head_dim,
          const float* inverse_frequencies, bool traditional, float* y, int64_t y_stride, const Parallel& parallel) {
  const int64_t half = head_dim / 2;
  const int64_t first_step = traditional ? 2 : 1;
  const int64_t second = traditional ? 1 : half;
  parallel_for(parallel, n, 16, [=](int64_t begin, int64_t end) {
    float* cosines = thread_scratch(head_dim);
    float* sines = cosines + half;
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t j = 0; j < half; ++j) {
        const float angle = static_cast<float>(positions[row]) * inverse_frequencies[j];
        cosines[j] = std::cos(angle);
        sines[j] = std::sin(angle);
      }
      for (int64_t head = 0; head < heads; ++head) {
        const float* from = x + row * x_stride + head * head_dim;
        float* to = y + row * y_stride + head * head_dim;
        for (int64_t j = 0; j < half; ++j) {
          const float a = from[j * first_step];
          const float b = from[j * first_step + second];
          to[j * first_step] = a * cosines[j] - b * sines[j];
          to[j * first_step + second] = a * sines[j] + b * cosines[j];
        }
      }
    }
  });
}

}  // namespace punie::kernels
