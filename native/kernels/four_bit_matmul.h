#pragma once
// The 4-bit product with AVX2, for columns in multiples of 64: what nearly every model's weights are.
//
// 64 weights are one vector of eight words, and nibble j of its word l is weight 8l + j. So the inputs are laid out
// to match: per 64 columns eight vectors, the j-th of x[8l + j] / 16^j, because a nibble that is masked and not
// shifted is 16^j times its value (the last, j = 7, is shifted). With scale and bias applied once a group, scale *
// sum(q x) + bias * sum(x), a vector of eight weights costs a mask, a conversion and a multiplication.

#include <cstdint>

#include "matmul_rows.h"

namespace punie::kernels {

/// Columns of a vector of weights.
inline constexpr int64_t word_cols = 64;

/// A block of inputs as it is laid out: block_cols values, then the sums of its groups, zeros behind the last.
inline constexpr int64_t block_groups = 16;
inline constexpr int64_t packed_block_floats = block_cols + block_groups;

static inline int64_t packed_input_floats(int64_t cols) {
  return (cols + block_cols - 1) / block_cols * packed_block_floats;
}

static inline bool is_four_bit_product(const QuantizedMatrix& w) { return w.bits == 4 && w.cols % word_cols == 0; }

/// A tile row: block_cols values, a scale in eight lanes for each 64 of them, the groups' biases.
inline constexpr int64_t packed_row_floats = block_cols + block_cols / word_cols * 8 + block_groups;

inline constexpr int64_t four_bit_scratch_floats = tile_rows * packed_row_floats + chunk_rows * block_inputs * 8;

/// Inputs that are laid out before they are multiplied: some megabytes.
inline constexpr int64_t packed_inputs = 2 * block_inputs;

#if defined(__x86_64__)
/// Lays one row of x out, in packed_input_floats(w.cols) floats, 32-byte aligned.
void pack_input_avx2(const QuantizedMatrix& w, const float* x, float* packed);

/// y's rows [begin, end) for one laid-out row of x.
void four_bit_product_avx2(const QuantizedMatrix& w, const float* packed, const float* bias, float* y, int64_t begin,
                           int64_t end);

/// y[n, w.rows]'s columns [begin, end), at most chunk_rows, for `n` laid-out rows, with the same bits. `scratch`:
/// four_bit_scratch_floats, 32-byte aligned.
void four_bit_matmul_avx2(const QuantizedMatrix& w, const float* packed, int64_t n, const float* bias, float* y,
                          int64_t begin, int64_t end, float* scratch);
#endif

}  // namespace punie::kernels
