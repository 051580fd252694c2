#pragma once

#include <cstdint>

#include "thread_pool.h"

namespace punie::kernels {

/// Rotary position embedding (Su et al. 2021) of x[n, heads, head_dim] into y; y may be x.
///
/// Row i starts at x + i * x_stride (floats) and is turned by positions[i] * inverse_frequencies[j], j < head_dim / 2.
/// A pair is elements 2j and 2j + 1 if `traditional`, else j and j + head_dim / 2. `head_dim` is even.
void rope(const float* x, int64_t x_stride, const int32_t* positions, int64_t n, int64_t heads, int64_t head_dim,
          const float* inverse_frequencies, bool traditional, float* y, int64_t y_stride, const Parallel& parallel);

}  // namespace punie::kernels
