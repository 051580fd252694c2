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
  const auto turn = [&](float& first, float& second, int64_t j) {
    const float a = first, b = second;
    first = a * cosines[j] - b * sines[j];
    second = a * sines[j] + b * cosines[j];
  };
  for (int64_t head = 0; head < heads; ++head, x += head_dim) {
    if (traditional) {
      for (int64_t j = 0; j < half; ++j) turn(x[2 * j], x[2 * j + 1], j);
    } else {
      for (int64_t j = 0; j < half; ++j) turn(x[j], x[half + j], j);
    }
  }
}

}  // namespace punie::kernels
