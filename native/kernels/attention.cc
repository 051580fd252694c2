#include "attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "attention_segment.h"
#include "cpu_features.h"
#include "scratch.h"

namespace punie::kernels {
namespace {

using AttendSegment = void (*)(const AttentionSegment&, float*);

constexpr float infinity = std::numeric_limits<float>::infinity();

/// Queries that go over a tile of keys together: enough to pay for reading it, few enough that their states stay in
/// L2.
constexpr int64_t unit_queries = 32;

AttendSegment choose_kernel(int64_t head_dim) {
#if defined(__x86_64__)
  if (use_avx2() && head_dim % 8 == 0) return attend_segment_avx2;
#endif
  (void)head_dim;
  return attend_segment_portable;
}

void clear_state(float* state, int64_t head_dim) {
  std::fill_n(state, state_floats(head_dim), 0.0f);
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

struct Call {
  AttendSegment kernel;
  AttentionSegment base;  // kv_head, rows and first_key are set per unit
  int64_t n;
  int64_t group;
  int64_t stride;
  float* y;

  float* output(int64_t row, int64_t kv_head) const {
    return y + (row * base.heads + kv_head * group) * base.cache.head_dim;
  }
};

/// A block of rows at one key head, over all of its keys.
void attend_rows(const Call& call, int64_t kv_head, int64_t first_row, int64_t rows) {
  const int64_t head_dim = call.base.cache.head_dim;
  const int64_t queries = rows * call.group;
  float* totals = thread_scratch(2 * queries * call.stride);
  float* states = totals + queries * call.stride;
  for (int64_t i = 0; i < queries; ++i) clear_state(totals + i * call.stride, head_dim);

  AttentionSegment segment = call.base;
  segment.kv_head = kv_head;
  segment.first_row = first_row;
  segment.rows = rows;
  const int64_t keys = segment.first_position + first_row + rows;
  for (segment.first_key = 0; segment.first_key < keys; segment.first_key += segment_keys) {
    call.kernel(segment, states);
    for (int64_t i = 0; i < queries; ++i) merge_state(states + i * call.stride, head_dim, totals + i * call.stride);
  }
  for (int64_t i = 0; i < queries; ++i)
    write_output(totals + i * call.stride, head_dim,
                 call.output(first_row + i / call.group, kv_head) + i % call.group * head_dim);
}

/// Few rows over a long context: every segment is a piece of work, and the merging comes after.
void attend_by_segment(const Call& call, const Parallel& parallel) {
  const int64_t head_dim = call.base.cache.head_dim;
  const int64_t kv_heads = call.base.cache.kv_heads;
  const int64_t queries = call.n * call.group;
  const int64_t keys = call.base.first_position + call.n;
  const int64_t segments = (keys + segment_keys - 1) / segment_keys;
  float* states = thread_scratch((kv_heads * segments + 1) * queries * call.stride, Scratch::call);

  parallel_for(parallel, kv_heads * segments, 1, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      AttentionSegment segment = call.base;
      segment.kv_head = unit / segments;
      segment.first_row = 0;
      segment.rows = call.n;
      segment.first_key = unit % segments * segment_keys;
      call.kernel(segment, states + unit * queries * call.stride);
    }
  });

  float* total = states + kv_heads * segments * queries * call.stride;
  for (int64_t kv_head = 0; kv_head < kv_heads; ++kv_head)
    for (int64_t i = 0; i < queries; ++i) {
      clear_state(total, head_dim);
      for (int64_t s = 0; s < segments; ++s)
        merge_state(states + ((kv_head * segments + s) * queries + i) * call.stride, head_dim, total);
      write_output(total, head_dim, call.output(i / call.group, kv_head) + i % call.group * head_dim);
    }
}

}  // namespace

void attention(const float* q, int64_t n, int64_t heads, const KeyValueView& cache, int64_t first_position, float scale,
               float* y, const Parallel& parallel) {
  if (n <= 0) return;
  const int64_t group = heads / cache.kv_heads;
  const Call call{choose_kernel(cache.head_dim),
                  {q, heads, cache, first_position, scale, 0, 0, 0, 0},
                  n,
                  group,
                  state_floats(cache.head_dim),
                  y};
  const int64_t unit_rows = std::max<int64_t>(1, unit_queries / group);
  const int64_t blocks = (n + unit_rows - 1) / unit_rows;
  const bool long_context = first_position + n > segment_keys;
  if (parallel.threads > 1 && blocks == 1 && long_context) return attend_by_segment(call, parallel);

  parallel_for(parallel, blocks * cache.kv_heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      // The last rows see the most keys: begun first, no thread is left with one of them at the end.
      const int64_t first_row = (blocks - 1 - unit / cache.kv_heads) * unit_rows;
      attend_rows(call, unit % cache.kv_heads, first_row, std::min(unit_rows, n - first_row));
    }
  });
}

}  // namespace punie::kernels
