#pragma once

#include <cstdint>

#include "thread_pool.h"

namespace punie::kernels {

/// A layer's cached keys and values, each [kv_heads, capacity, head_dim] in float32.
struct KeyValueView {
  const float* keys;
  const float* values;
  int64_t capacity;
  int64_t kv_heads;
  int64_t head_dim;
};

/// Causal attention of q[n, heads, head_dim] over a cache, into y[n, heads, head_dim].
///
/// Row i stands at position first_position + i, whose key is in the cache already, and sees positions 0 to its own.
/// `heads` is a multiple of kv_heads: query head h uses key head h / (heads / kv_heads). Softmax runs online in
/// float32 (Dao et al. 2022); a row of y has the same bits whatever `n` and the threads are.
void attention(const float* q, int64_t n, int64_t heads, const KeyValueView& cache, int64_t first_position, float scale,
               float* y, const Parallel& parallel);

}  // namespace punie::kernels
