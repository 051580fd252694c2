#include <immintrin.h>

#include "attention_segment.h"
#include "exp_avx2.h"

namespace punie::kernels {
namespace {

constexpr float minus_infinity = -__builtin_inff();

/// Eight vectors to one: lane i of the result is the sum of v[i]'s lanes.
__m256 sum_each(const __m256* v) {
  const __m256 a = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
  const __m256 b = _mm256_hadd_ps(_mm256_hadd_ps(v[4], v[5]), _mm256_hadd_ps(v[6], v[7]));
  return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}

float largest_lane(__m256 v) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

float sum_lanes(__m256 v) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

/// Scores of eight keys, of which `count` are to be read; the others' are -infinity.
__m256 score_eight(const float* q, const float* keys, int64_t count, int64_t head_dim, __m256 scale) {
  const float* key[8];
  for (int64_t k = 0; k < 8; ++k) key[k] = keys + (k < count ? k : count - 1) * head_dim;
  __m256 sums[8];
  for (auto& sum : sums) sum = _mm256_setzero_ps();
  for (int64_t d = 0; d < head_dim; d += 8) {
    const __m256 query = _mm256_loadu_ps(q + d);
    for (int k = 0; k < 8; ++k) sums[k] = _mm256_fmadd_ps(query, _mm256_loadu_ps(key[k] + d), sums[k]);
  }
  const __m256 scores = _mm256_mul_ps(sum_each(sums), scale);
  if (count >= 8) return scores;
  const __m256i beyond =
      _mm256_cmpgt_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(static_cast<int>(count) - 1));
  return _mm256_blendv_ps(scores, _mm256_set1_ps(minus_infinity), _mm256_castsi256_ps(beyond));
}

/// sums[vectors * 8] = sums * decay + weights · values.
template <int vectors>
void add_values(const float* weights, const float* values, int64_t count, int64_t head_dim, __m256 decay, float* sums) {
  __m256 sum[vectors];
  for (int v = 0; v < vectors; ++v) sum[v] = _mm256_mul_ps(_mm256_load_ps(sums + 8 * v), decay);
  for (int64_t k = 0; k < count; ++k) {
    const __m256 weight = _mm256_set1_ps(weights[k]);
    for (int v = 0; v < vectors; ++v)
      sum[v] = _mm256_fmadd_ps(weight, _mm256_loadu_ps(values + k * head_dim + 8 * v), sum[v]);
  }
  for (int v = 0; v < vectors; ++v) _mm256_store_ps(sums + 8 * v, sum[v]);
}

/// Adds `count` keys and their values to a query's state.
void attend_tile(const float* q, const float* keys, const float* values, int64_t count, int64_t head_dim, __m256 scale,
                 float* state) {
  constexpr int eights = tile_keys / 8;
  __m256 scores[eights];
  __m256 highest = _mm256_set1_ps(state[state_largest]);
  for (int i = 0; i < eights; ++i) {
    scores[i] = i * 8 < count ? score_eight(q, keys + i * 8 * head_dim, count - i * 8, head_dim, scale)
                              : _mm256_set1_ps(minus_infinity);
    highest = _mm256_max_ps(scores[i], highest);
  }
  const __m256 largest = _mm256_set1_ps(largest_lane(highest));
  const __m256 decay = exp_lanes(_mm256_sub_ps(_mm256_set1_ps(state[state_largest]), largest));

  alignas(32) float weights[tile_keys];
  __m256 sum = _mm256_setzero_ps();
  for (int i = 0; i < eights; ++i) {
    const __m256 weight = exp_lanes(_mm256_sub_ps(scores[i], largest));
    _mm256_store_ps(weights + i * 8, weight);
    sum = _mm256_add_ps(sum, weight);
  }
  state[state_sum] = __builtin_fmaf(state[state_sum], _mm256_cvtss_f32(decay), sum_lanes(sum));
  state[state_largest] = _mm256_cvtss_f32(largest);

  int64_t d = 0;
  for (; d + 64 <= head_dim; d += 64)
    add_values<8>(weights, values + d, count, head_dim, decay, state + state_values + d);
  for (; d < head_dim; d += 8) add_values<1>(weights, values + d, count, head_dim, decay, state + state_values + d);
}

}  // namespace

void attend_segment_avx2(const AttentionSegment& segment, float* states) {
  const KeyValueView& cache = segment.cache;
  const int64_t head_dim = cache.head_dim;
  const int64_t group = segment.heads / cache.kv_heads;
  const int64_t stride = state_floats(head_dim);
  for (int64_t i = 0; i < segment.rows * group * stride; i += 8) _mm256_store_ps(states + i, _mm256_setzero_ps());
  for (int64_t i = 0; i < segment.rows * group; ++i) states[i * stride + state_largest] = minus_infinity;

  const int64_t last = segment.first_position + segment.first_row + segment.rows;
  const int64_t end = last < segment.first_key + segment_keys ? last : segment.first_key + segment_keys;
  for (int64_t tile = segment.first_key; tile < end; tile += tile_keys) {
    const float* keys = cache.keys + (segment.kv_head * cache.capacity + tile) * head_dim;
    const float* values = cache.values + (segment.kv_head * cache.capacity + tile) * head_dim;
    for (int64_t r = 0; r < segment.rows; ++r) {
      const int64_t row = segment.first_row + r;
      const int64_t seen = segment.first_position + row + 1 - tile;
      if (seen <= 0) continue;
      const float* q = segment.q + (row * segment.heads + segment.kv_head * group) * head_dim;
      for (int64_t h = 0; h < group; ++h)
        attend_tile(q + h * head_dim, keys, values, seen < tile_keys ? seen : tile_keys, head_dim,
                    _mm256_set1_ps(segment.scale), states + (r * group + h) * stride);
    }
  }
}

}  // namespace punie::kernels
