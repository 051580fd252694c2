#pragma once
// The piece of attention that each instruction set has its own form of: one algorithm, `SegmentAttention` below, over
// its vectors.

#include <cstdint>

#include "key_value_cache.h"
#include "scratch.h"

namespace punie::kernels {

/// Keys are summed up in segments at fixed positions, whose results are merged in order: so a long context can be
/// shared out among threads and a row's bits stay the same.
inline constexpr int64_t segment_keys = 512;

/// Running softmax of one query: the largest score, the sum of exp(score - largest), then at `state_values` the sum
/// of exp(score - largest) * value, value_stride(head_dim) floats.
inline constexpr int64_t state_largest = 0;
inline constexpr int64_t state_sum = 1;
inline constexpr int64_t state_values = 16;

inline constexpr int64_t state_floats_of(int64_t head_dim) { return state_values + value_stride(head_dim); }

/// The queries of rows [first_row, first_row + rows) that share key head `kv_head`, over the keys from
/// `first_key` to the segment's end or the row's own position, but for those that are `window` or more before it.
struct AttentionSegment {
  const float* q;  // row 0 of the call
  int64_t heads;
  KeyValueCache cache;
  int64_t first_position;
  int64_t window;
  float scale;
  int64_t kv_head;
  int64_t first_row;
  int64_t rows;
  int64_t first_key;
};

/// Writes rows * (heads / kv_heads) states, a row's heads side by side, at any multiple of 64 bytes; that of a row
/// that sees no key of the segment has largest = -infinity and zeros.
using AttendSegment = void (*)(const AttentionSegment& segment, float* states);

void attend_segment_portable(const AttentionSegment& segment, float* states);
#if defined(__x86_64__)
void attend_segment_avx2(const AttentionSegment& segment, float* states);
void attend_segment_avx512(const AttentionSegment& segment, float* states);
#elif defined(__aarch64__)
void attend_segment_neon(const AttentionSegment& segment, float* states);
#endif

namespace {

/// Keys whose scores a block of queries has at a time; with their values they stay in L1 and L2.
constexpr int64_t tile_keys = 64;

/// Up to so many queries attention waits for memory, and asks for the next tile while it works on one.
constexpr int prefetched_queries = 8;

template <class V>
class SegmentAttention {
  using Floats = typename V::Floats;
  static constexpr int lanes = V::lanes;

 public:
  static void run(const AttentionSegment& segment, float* states) {
    const int64_t queries = segment.rows * (segment.heads / segment.cache.kv_heads);
    for (int64_t first = 0; first < queries; first += V::most_inputs) {
      const int64_t count = queries - first < V::most_inputs ? queries - first : V::most_inputs;
      run_block(segment, first, count, states);
    }
  }

 private:
  static void run_block(const AttentionSegment& segment, int64_t first, int64_t count, float* states) {
#define PUNIE_WIDTH(width)                                                                               \
  if constexpr (width <= V::most_inputs) {                                                               \
    if (count <= width) return SegmentAttention(segment, first, count, states).template attend<width>(); \
  }
    PUNIE_WIDTH(1)
    PUNIE_WIDTH(2)
    PUNIE_WIDTH(3)
    PUNIE_WIDTH(4)
    PUNIE_WIDTH(6)
    PUNIE_WIDTH(7)
    PUNIE_WIDTH(8)
    PUNIE_WIDTH(12)
#undef PUNIE_WIDTH
  }

  SegmentAttention(const AttentionSegment& segment, int64_t first, int64_t count, float* states)
      : segment_(segment), first_(first), count_(count), dim_(segment.cache.head_dim) {
    const KeyValueCache& cache = segment.cache;
    group_ = segment.heads / cache.kv_heads;
    stride_ = state_floats_of(dim_);
    states_ = states + first * stride_;
    const int64_t at = segment.kv_head * cache.capacity + segment.first_key;
    keys_ = cache.keys + at * dim_;
    key_scales_ = cache.key_scales + at;
    values_ = cache.values + at * value_stride(dim_);
    value_scales_ = cache.value_scales + at;
  }

  /// Query i of the block, or the last one again in place of those that are not there.
  int64_t query(int i) const { return first_ + (i < count_ ? i : count_ - 1); }
  /// Keys of the segment that it sees.
  int64_t seen(int i) const {
    const int64_t keys = segment_.first_position + segment_.first_row + query(i) / group_ + 1 - segment_.first_key;
    return keys < 0 ? 0 : keys < segment_keys ? keys : segment_keys;
  }

  /// Keys of the segment that stand before its window.
  int64_t before(int i) const {
    const int64_t end = segment_.first_position + segment_.first_row + query(i) / group_ + 1;
    const int64_t keys = end - segment_.window - segment_.first_key;
    return keys < 0 ? 0 : keys;
  }

  template <int width>
  void attend() {
    for (int64_t i = 0; i < count_; ++i) {
      float* state = states_ + i * stride_;
      for (int64_t d = 0; d < stride_; d += lanes) V::store(state + d, V::zero());
      state[state_largest] = -__builtin_inff();
    }
    const int64_t keys = seen(width - 1);  // the last query stands furthest
    const int64_t first_tile = before(0) / tile_keys * tile_keys;
    if (keys <= first_tile) return;
    float* queries = thread_scratch(dim_ * width, Scratch::inner);
    for (int i = 0; i < width; ++i) {
      const int64_t row = segment_.first_row + query(i) / group_;
      const float* q = segment_.q + (row * segment_.heads + segment_.kv_head * group_ + query(i) % group_) * dim_;
      for (int64_t d = 0; d < dim_; ++d) queries[d * width + i] = q[d];
    }
    for (int64_t tile = first_tile; tile < keys; tile += tile_keys) {
      const int64_t count = keys - tile < tile_keys ? keys - tile : tile_keys;
      alignas(64) float scores[width * tile_keys];
      float decay[width];
      score_keys<width>(queries, tile, count, scores);
      for (int i = 0; i < width; ++i)
        decay[i] = soften(i, before(i) - tile, seen(i) - tile, tile, count, scores + i * tile_keys);
      add_values<width>(scores, decay, tile, count);
    }
  }

  /// scores[i][k] = q_i · key_k * scale, in one chain over the elements; for whole blocks of keys.
  template <int width>
  void score_keys(const float* queries, int64_t tile, int64_t count, float* scores) const {
    constexpr int vectors = vectors_of(width), step = vectors * lanes;
    const int64_t padded = padded_keys(count);
    int64_t at = 0;
    for (; at + step <= padded; at += step) score_vectors<width, vectors>(queries, tile, at, scores);
    if constexpr (step > key_block) {
      if (at < padded) score_vectors<width, 1>(queries, tile, at, scores);
    }
  }

  /// The keys of the tile from `at` on.
  template <int width, int vectors>
  void score_vectors(const float* queries, int64_t tile, int64_t at, float* scores) const {
    constexpr int group = group_of(width, vectors);
    constexpr int blocks = vectors * lanes > key_block ? vectors * lanes / key_block : 1;
    const int64_t block_values = key_block * dim_, vector_stride = blocks > 1 ? block_values : lanes;
    const int64_t begin = at / key_block * block_values;
    const auto* next_values = reinterpret_cast<const char*>(values_ + (tile + tile_keys) * value_stride(dim_) + begin);
    for (int first = 0; first < width; first += group) {
      Floats sums[group][vectors];
#pragma GCC unroll 12
      for (int i = 0; i < group; ++i)
        for (int v = 0; v < vectors; ++v) sums[i][v] = V::zero();
      const int16_t* from = keys_ + tile * dim_ + begin + at % key_block;
      const float* q = queries + first;
      for (int64_t d = 0; d < dim_; ++d, from += key_block, q += width) {
        if constexpr (width <= prefetched_queries) {
#pragma GCC unroll 2
          for (int b = 0; b < blocks; ++b) {
            V::prefetch(reinterpret_cast<const char*>(from + tile_keys * dim_ + b * block_values));
            V::prefetch(next_values + (b * block_values + d * key_block) * 2);
          }
        }
        add_products<group, vectors>(from, vector_stride, q, 1, sums);
      }
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) {
        const int64_t key = at + v * lanes;
        const Floats scale = V::multiply(V::load_some(key_scales_ + tile + key, lanes), V::set(segment_.scale));
#pragma GCC unroll 12
        for (int i = 0; i < group; ++i) {
          V::store(scores + (first + i) * tile_keys + key, V::multiply(sums[i][v], scale));
        }
      }
    }
  }

  /// Vectors of keys, or of a value's elements, at a time: with two a query's number is spread over a vector half as
  /// often.
  static constexpr int vectors_of(int width) {
    return width <= V::most_paired || (width % 2 == 0 && width / 2 <= V::most_paired) ? 2 : 1;
  }
  /// Queries that are worked on at a time: their sums over the vectors stay in registers.
  static constexpr int group_of(int width, int vectors) {
    return vectors == 2 && width > V::most_paired ? width / 2 : width;
  }

  /// Adds vectors of 16-bit integers, times one number for each query, to the queries' sums.
  template <int group, int vectors>
  static void add_products(const int16_t* from, int64_t vector_stride, const float* numbers, int64_t stride,
                           Floats (&sums)[group][vectors]) {
    Floats v[vectors];
#pragma GCC unroll 2
    for (int k = 0; k < vectors; ++k) v[k] = V::load_shorts(from + k * vector_stride);
#pragma GCC unroll 12
    for (int i = 0; i < group; ++i) {
      const Floats number = V::set(numbers[i * stride]);
#pragma GCC unroll 2
      for (int k = 0; k < vectors; ++k) sums[i][k] = V::fma(v[k], number, sums[i][k]);
    }
  }

  /// A query's scores of a tile, of which it sees those from `before` to `seen`, become weights: exp(score - largest),
  /// and times the values' scales. Returns what its state so far is to be multiplied by.
  float soften(int i, int64_t before, int64_t seen, int64_t tile, int64_t count, float* scores) {
    const int64_t padded = padded_keys(count);
    if (seen <= 0 || before >= count) {
      for (int64_t k = 0; k < padded; ++k) scores[k] = 0;
      return 1;
    }
    for (int64_t k = 0; k < before; ++k) scores[k] = -__builtin_inff();
    for (int64_t k = seen; k < padded; ++k) scores[k] = -__builtin_inff();
    // Padding works on a copy of another query's state: what it does to it must not be kept.
    float spare[2];
    float* state = states_ + i * stride_;
    if (i >= count_) {
      const float* last = states_ + (count_ - 1) * stride_;
      spare[0] = last[state_largest];
      spare[1] = 0;
      state = spare;
    }
    const float largest_before = state[state_largest];
    Floats most = V::set(largest_before);
    for (int64_t k = 0; k < padded; k += lanes) most = V::max(most, V::load(scores + k));
    const float largest = V::largest_lane(most);
    Floats sum = V::zero();
    for (int64_t k = 0; k < padded; k += lanes) {
      const Floats weight = V::exp(V::subtract(V::load(scores + k), V::set(largest)));
      sum = V::add(sum, weight);
      V::store(scores + k, V::multiply(weight, V::load_some(value_scales_ + tile + k, count - k)));
    }
    const float decay = V::first_lane(V::exp(V::set(largest_before - largest)));
    state[state_largest] = largest;
    state[state_sum] = __builtin_fmaf(state[state_sum], decay, V::sum_lanes(sum));
    return decay;
  }

  /// Each state's values = values * decay + weights · values of the tile.
  template <int width>
  void add_values(const float* weights, const float* decay, int64_t tile, int64_t count) {
    constexpr int vectors = vectors_of(width), step = vectors * lanes;
    const int64_t row = value_stride(dim_);
    int64_t d = 0;
    for (; d + step <= row; d += step) add_elements<width, vectors>(weights, decay, tile, count, d);
    if constexpr (step > value_block) {
      if (d < row) add_elements<width, 1>(weights, decay, tile, count, d);
    }
  }

  /// The values' elements from `d` on.
  template <int width, int vectors>
  void add_elements(const float* weights, const float* decay, int64_t tile, int64_t count, int64_t d) {
    constexpr int group = group_of(width, vectors);
    const int64_t row = value_stride(dim_);
    for (int first = 0; first < width; first += group) {
      Floats sums[group][vectors];
#pragma GCC unroll 12
      for (int i = 0; i < group; ++i) {
        const int64_t query = first + i < count_ ? first + i : count_ - 1;
        const float* state = states_ + query * stride_ + state_values + d;
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) {
          sums[i][v] = V::multiply(V::load(state + v * lanes), V::set(decay[first + i]));
        }
      }
      const int16_t* from = values_ + tile * row + d;
      const float* weight = weights + first * tile_keys;
      for (int64_t k = 0; k < count; ++k, from += row)
        add_products<group, vectors>(from, lanes, weight + k, tile_keys, sums);
#pragma GCC unroll 12
      for (int i = 0; i < group; ++i) {
        if (first + i >= count_) break;
        float* state = states_ + (first + i) * stride_ + state_values + d;
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) V::store(state + v * lanes, sums[i][v]);
      }
    }
  }

  const AttentionSegment& segment_;
  int64_t first_;
  int64_t count_;
  int64_t dim_;
  int64_t group_;
  int64_t stride_;
  float* states_;
  const int16_t* keys_;
  const float* key_scales_;
  const int16_t* values_;
  const float* value_scales_;
};

}  // namespace
}  // namespace punie::kernels
