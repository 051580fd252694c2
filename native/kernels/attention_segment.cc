#include "attention_segment.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "dot.h"

namespace punie::kernels {
namespace {

/// Adds `count` keys and their values to a query's state.
void attend_tile(const float* q, const float* keys, const float* values, int64_t count, int64_t head_dim, float scale,
                 float* state) {
  float scores[tile_keys];
  float largest = state[state_largest];
  for (int64_t k = 0; k < count; ++k) {
    scores[k] = dot(q, keys + k * head_dim, head_dim) * scale;
    largest = std::max(largest, scores[k]);
  }
  const float decay = std::exp(state[state_largest] - largest);
  float* sums = state + state_values;
  for (int64_t d = 0; d < head_dim; ++d) sums[d] *= decay;
  float sum = 0;
  for (int64_t k = 0; k < count; ++k) {
    const float weight = std::exp(scores[k] - largest);
    sum += weight;
    for (int64_t d = 0; d < head_dim; ++d) sums[d] += weight * values[k * head_dim + d];
  }
  state[state_sum] = state[state_sum] * decay + sum;
  state[state_largest] = largest;
}

}  // namespace

void attend_segment_portable(const AttentionSegment& segment, float* states) {
  const KeyValueView& cache = segment.cache;
  const int64_t head_dim = cache.head_dim;
  const int64_t group = segment.heads / cache.kv_heads;
  const int64_t stride = state_floats(head_dim);
  std::fill_n(states, segment.rows * group * stride, 0.0f);
  for (int64_t i = 0; i < segment.rows * group; ++i)
    states[i * stride + state_largest] = -std::numeric_limits<float>::infinity();

  const int64_t last_position = segment.first_position + segment.first_row + segment.rows - 1;
  const int64_t end = std::min(segment.first_key + segment_keys, last_position + 1);
  for (int64_t tile = segment.first_key; tile < end; tile += tile_keys) {
    const float* keys = cache.keys + (segment.kv_head * cache.capacity + tile) * head_dim;
    const float* values = cache.values + (segment.kv_head * cache.capacity + tile) * head_dim;
    for (int64_t r = 0; r < segment.rows; ++r) {
      const int64_t row = segment.first_row + r;
      const int64_t count = std::min(tile_keys, segment.first_position + row + 1 - tile);
      if (count <= 0) continue;
      const float* q = segment.q + (row * segment.heads + segment.kv_head * group) * head_dim;
      for (int64_t h = 0; h < group; ++h)
        attend_tile(q + h * head_dim, keys, values, count, head_dim, segment.scale, states + (r * group + h) * stride);
    }
  }
}

}  // namespace punie::kernels
