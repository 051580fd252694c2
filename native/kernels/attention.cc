#include "attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "attention_segment.h"
#include "cpu_features.h"
#include "scratch.h"

namespace punie::kernels {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

/// Queries of a piece, at least, and what kernels take at once, or a part of it: rows whose queries are a multiple
/// leave no block half empty.
constexpr int64_t piece_queries = 48;
constexpr int64_t block_queries = 12;

/// Rows of a piece, where `group` queries of each share a key head.
int64_t rows_of_piece(int64_t group) {
  const int64_t rows_of_blocks = block_queries / std::gcd(block_queries, group);
  return (piece_queries + rows_of_blocks * group - 1) / (rows_of_blocks * group) * rows_of_blocks;
}

AttendSegment kernel() {
#if defined(__x86_64__)
  if (use_avx512()) return attend_segment_avx512;
  if (use_avx2()) return attend_segment_avx2;
#elif defined(__aarch64__)
  if (use_neon()) return attend_segment_neon;
#endif
  return attend_segment_portable;
}

void clear_state(float* state, int64_t head_dim) {
  std::fill_n(state, state_floats_of(head_dim), 0.0f);
  state[state_largest] = -infinity;
}

/// Adds a segment's state to the total; the only place where it is done, so that its bits don't depend on who does it.
void merge_state(const float* part, int64_t head_dim, float* total) {
  if (part[state_largest] == -infinity) return;
  const float largest = std::max(total[state_largest], part[state_largest]);
  const float keep = std::exp(total[state_largest] - largest);
  const float add = std::exp(part[state_largest] - largest);
  total[state_largest] = largest;
  total[state_sum] = total[state_sum] * keep + part[state_sum] * add;
  for (int64_t d = state_values; d < state_values + head_dim; ++d) total[d] = total[d] * keep + part[d] * add;
}

void write_output(const float* total, int64_t head_dim, float* y) {
  const float inverse = 1.0f / total[state_sum];
  for (int64_t d = 0; d < head_dim; ++d) y[d] = total[state_values + d] * inverse;
}

}  // namespace

Attention::Attention(const KeyValueCache& cache, int64_t n, int64_t heads, int64_t first_position, int64_t window,
                     float scale, int threads)
    : cache_(cache),
      n_(n),
      heads_(heads),
      group_(heads / cache.kv_heads),
      first_position_(first_position),
      window_(window > 0 ? window : first_position + n),
      scale_(scale),
      unit_rows_(rows_of_piece(group_)) {
  const int64_t keys = first_position + n;
  const int64_t blocks = (n + unit_rows_ - 1) / unit_rows_;
  segments_ = (keys + segment_keys - 1) / segment_keys - first_segment(0);
  by_segment_ = threads > 1 && blocks == 1 && segments_ > 1;
  pieces_ = cache.kv_heads * (by_segment_ ? segments_ : blocks);
}

int64_t Attention::state_floats() const {
  return by_segment_ ? pieces_ * n_ * group_ * state_floats_of(cache_.head_dim) : 0;
}

int64_t Attention::first_segment(int64_t row) const {
  return std::max<int64_t>(0, first_position_ + row + 1 - window_) / segment_keys;
}

float* Attention::output(float* y, int64_t row, int64_t kv_head) const {
  return y + (row * heads_ + kv_head * group_) * cache_.head_dim;
}

void Attention::run(int64_t piece, const float* q, float* states, float* y) const {
  if (by_segment_) {
    const int64_t kv_head = piece / segments_;
    const int64_t first_key = (first_segment(0) + piece % segments_) * segment_keys;
    const AttentionSegment segment{q, heads_, cache_, first_position_, window_, scale_, kv_head, 0, n_, first_key};
    return kernel()(segment, states + piece * n_ * group_ * state_floats_of(cache_.head_dim));
  }
  const int64_t blocks = pieces_ / cache_.kv_heads;
  // The last rows see the most keys: begun first, no thread is left with one of them at the end.
  const int64_t first_row = (blocks - 1 - piece / cache_.kv_heads) * unit_rows_;
  attend_rows(piece % cache_.kv_heads, first_row, std::min(unit_rows_, n_ - first_row), q, y);
}

/// A block of rows at one key head, over all of its keys.
void Attention::attend_rows(int64_t kv_head, int64_t first_row, int64_t rows, const float* q, float* y) const {
  const int64_t head_dim = cache_.head_dim;
  const int64_t queries = rows * group_;
  const int64_t stride = state_floats_of(head_dim);
  const int64_t keys = first_position_ + first_row + rows;
  float* totals = thread_scratch(2 * queries * stride);
  float* states = totals + queries * stride;
  for (int64_t i = 0; i < queries; ++i) clear_state(totals + i * stride, head_dim);
  for (int64_t first_key = first_segment(first_row) * segment_keys; first_key < keys; first_key += segment_keys) {
    kernel()({q, heads_, cache_, first_position_, window_, scale_, kv_head, first_row, rows, first_key}, states);
    for (int64_t i = 0; i < queries; ++i) merge_state(states + i * stride, head_dim, totals + i * stride);
  }
  for (int64_t i = 0; i < queries; ++i) {
    write_output(totals + i * stride, head_dim, output(y, first_row + i / group_, kv_head) + i % group_ * head_dim);
  }
}

void Attention::finish(const float* states, int64_t begin, int64_t end, float* y) const {
  if (!by_segment_) return;
  const int64_t head_dim = cache_.head_dim;
  const int64_t stride = state_floats_of(head_dim);
  const int64_t queries = n_ * group_;
  float* total = thread_scratch(stride);
  for (int64_t kv_head = 0; kv_head < cache_.kv_heads; ++kv_head)
    for (int64_t i = begin * group_; i < end * group_; ++i) {
      clear_state(total, head_dim);
      for (int64_t s = 0; s < segments_; ++s)
        merge_state(states + ((kv_head * segments_ + s) * queries + i) * stride, head_dim, total);
      write_output(total, head_dim, output(y, i / group_, kv_head) + i % group_ * head_dim);
    }
}

void attention(const float* q, int64_t n, int64_t heads, const KeyValueCache& cache, int64_t first_position,
               int64_t window, float scale, float* y, const Parallel& parallel) {
  if (n <= 0) return;
  const Attention work(cache, n, heads, first_position, window, scale, parallel.threads);
  float* states = thread_scratch(work.state_floats(), Scratch::call);
  parallel_for(parallel, work.pieces(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) work.run(piece, q, states, y);
  });
  work.finish(states, 0, n, y);
}

}  // namespace punie::kernels
