#include "key_value_cache.h"

#include <algorithm>
#include <cmath>

namespace punie::kernels {
namespace {

/// The scale of x[count]; `factor` takes its values to integers.
float scale_of(const float* x, int64_t count, float& factor) {
  float largest = 0;
  float check = 0;  // stays zero unless a value is not finite
  for (int64_t i = 0; i < count; ++i) {
    largest = std::max(largest, std::abs(x[i]));
    check += x[i] - x[i];
  }
  factor = largest > 0 && check == 0 ? 32767.0f / largest : 0.0f;
  return largest / 32767.0f + check;
}

int16_t round_value(float x, float factor) { return static_cast<int16_t>(std::lrint(factor == 0 ? 0.0f : x * factor)); }

}  // namespace

void store_key_value(const KeyValueCache& cache, int64_t head, int64_t position, const float* key, const float* value) {
  const int64_t dim = cache.head_dim;
  const int64_t at = head * cache.capacity + position;
  float factor;
  cache.key_scales[at] = scale_of(key, dim, factor);
  int16_t* to = cache.keys + (at - position % key_block) * dim + position % key_block;
  for (int64_t d = 0; d < dim; ++d) to[d * key_block] = round_value(key[d], factor);

  cache.value_scales[at] = scale_of(value, dim, factor);
  to = cache.values + at * value_stride(dim);
  for (int64_t d = 0; d < dim; ++d) to[d] = round_value(value[d], factor);
  std::fill(to + dim, to + value_stride(dim), int16_t{0});
}

}  // namespace punie::kernels
