#pragma once
// The piece of attention that each instruction set has its own form of.

#include <cstdint>

#include "attention.h"

namespace punie::kernels {

/// Keys are summed up in segments at fixed positions, whose results are merged in order: so a long context can be
/// shared out among threads and a row's bits stay the same.
inline constexpr int64_t segment_keys = 512;

/// Keys that a query looks at before the next query does; with their values they stay in L1.
inline constexpr int64_t tile_keys = 32;

/// Running softmax of one query: the largest score, the sum of exp(score - largest), then at `state_values` the sum
/// of exp(score - largest) * value, head_dim floats.
inline constexpr int64_t state_largest = 0;
inline constexpr int64_t state_sum = 1;
inline constexpr int64_t state_values = 8;

static inline constexpr int64_t state_floats(int64_t head_dim) { return state_values + (head_dim + 7) / 8 * 8; }

/// The queries of rows [first_row, first_row + rows) that share key head `kv_head`, over the keys from
/// `first_key` to the segment's end or the row's own position.
struct AttentionSegment {
  const float* q;  // row 0 of the call
  int64_t heads;
  KeyValueView cache;
  int64_t first_position;
  float scale;
  int64_t kv_head;
  int64_t first_row;
  int64_t rows;
  int64_t first_key;
};

/// Writes rows * (heads / kv_heads) states, a row's heads side by side; that of a row that sees no key of the segment
/// has largest = -infinity and zeros.
void attend_segment_portable(const AttentionSegment& segment, float* states);

#if defined(__x86_64__)
/// The same with AVX2 and FMA; head_dim is a multiple of 8, `states` is 32-byte aligned.
void attend_segment_avx2(const AttentionSegment& segment, float* states);
#endif

}  // namespace punie::kernels
