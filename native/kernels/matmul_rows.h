#pragma once
// What the matrix products share: how rows are dealt out, and the range functions of each instruction set.

#include <algorithm>
#include <cstdint>

#include "float_matmul.h"
#include "scratch.h"

namespace punie::kernels {

/// Columns that are summed up before they are added to a row's total: a tile of rows of this length stays in L1, and
/// shorter sums are more exact. Every group size divides it.
inline constexpr int64_t block_cols = 512;

/// Weight rows that a tile holds.
inline constexpr int64_t tile_rows = 4;

/// Rows of x that share one unpacking of a tile; their part of a column block stays in L2. A multiple of the three
/// that the micro-kernels take at once.
inline constexpr int64_t block_inputs = 63;

/// Weight rows that a thread takes at a time.
inline constexpr int64_t chunk_rows = 64;

/// Lanes of a running total.
inline constexpr int64_t total_lanes = 8;

/// Floats of scratch memory that a range function of float_matmul_kernel.h is given, 32-byte aligned: a tile, and the
/// running totals for every row of a chunk and input of a block.
inline constexpr int64_t scratch_floats = tile_rows * block_cols + chunk_rows * block_inputs * total_lanes;

/// y's columns [begin, end) = x · the weight's rows [begin, end), portable.
void float_matmul_portable(const FloatMatrix& w, const float* x, int64_t n, const float* bias, float* y, int64_t begin,
                           int64_t end);

#if defined(__x86_64__)
/// The same with AVX2, FMA and F16C, for at most `chunk_rows` rows.
void float_matmul_avx2(const FloatMatrix& w, const float* x, int64_t n, const float* bias, float* y, int64_t begin,
                       int64_t end, float* scratch);
#elif defined(__aarch64__)
/// The same with NEON.
void float_matmul_neon(const FloatMatrix& w, const float* x, int64_t n, const float* bias, float* y, int64_t begin,
                       int64_t end, float* scratch);
#endif

/// The portable product of `rows` decoded rows (consecutive, `cols` floats each) with n rows of x, written to columns
/// [first, first + rows) of y[n, y_cols].
void multiply_decoded_rows(const float* decoded, int64_t rows, int64_t cols, const float* x, int64_t n,
                           const float* bias, float* y, int64_t y_cols, int64_t first);

}  // namespace punie::kernels
