#pragma once

#include <cstdint>
#include <vector>

#include "key_value_cache.h"
#include "thread_pool.h"

namespace punie::kernels {

/// Causal attention of q[n, heads, head_dim] over a cache, into y[n, heads, head_dim], in pieces for threads to share.
///
/// Row i stands at position first_position + i, whose key is in the cache by the time that the pieces run, and sees
/// its own and those before it: all, or if `window` > 0 the nearest `window`, its own among them. `heads` is a multiple
/// of kv_heads: query head h uses key head h / (heads / kv_heads). Softmax runs online in float32 (Dao et al. 2022). A
/// row of y has the same bits whatever n and the threads are.
class Attention {
 public:
  Attention(const KeyValueCache& cache, int64_t n, int64_t heads, int64_t first_position, int64_t window, float scale,
            int threads);

  /// Pieces to run, in any order and by any thread.
  int64_t pieces() const { return pieces_; }
  /// Scratch floats that the pieces fill for `finish`; 0 when there is nothing to finish.
  int64_t state_floats() const;
  void run(int64_t piece, const float* q, float* states, float* y) const;
  /// After the pieces: brings together what they made of rows [begin, end).
  void finish(const float* states, int64_t begin, int64_t end, float* y) const;

 private:
  void attend_rows(int64_t kv_head, int64_t first_row, int64_t rows, const float* q, float* y) const;
  /// The segment of the first key that a row sees.
  int64_t first_segment(int64_t row) const;
  float* output(float* y, int64_t row, int64_t kv_head) const;

  KeyValueCache cache_;
  int64_t n_;
  int64_t heads_;
  int64_t group_;
  int64_t first_position_;
  int64_t window_;
  float scale_;
  int64_t unit_rows_;
  /// Few rows over a long context are shared out by segments of the context, else by rows.
  bool by_segment_;
  int64_t segments_;
  int64_t pieces_;
};

/// All of it at once.
void attention(const float* q, int64_t n, int64_t heads, const KeyValueCache& cache, int64_t first_position,
               int64_t window, float scale, float* y, const Parallel& parallel);

}  // namespace punie::kernels
