#include "rope.h"

#include <cmath>

namespace punie::kernels {

void rope_angles(int32_t position, const float* inverse_frequencies, int64_t half, float magnitude, float* table) {
  for (int64_t j = 0; j < half; ++j) {
    const float angle = static_cast<float>(position) * inverse_frequencies[j];
    table[j] = magnitude * std::cos(angle);
    table[half + j] = magnitude * std::sin(angle);
  }
}

void rope(float* x, int64_t heads, int64_t head_dim, int64_t half, const float* table, bool traditional) {
  const float* cosines = table;
  const float* sines = table + half;
  const int64_t step = traditional ? 2 : 1;
  const int64_t second = traditional ? 1 : half;
  for (int64_t head = 0; head < heads; ++head, x += head_dim) {
    for (int64_t j = 0; j < half; ++j) {
      const float a = x[j * step];
      const float b = x[j * step + second];
      x[j * step] = a * cosines[j] - b * sines[j];
      x[j * step + second] = a * sines[j] + b * cosines[j];
    }
  }
}

}  // namespace punie::kernels
