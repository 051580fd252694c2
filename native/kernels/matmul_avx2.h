#pragma once
// The matrix product of the AVX2 files over any kind of stored weights. All of it has internal linkage, and nothing
// of the standard library is used but what is compiled away: code made for AVX2 must not be the linker's choice for a
// file that runs without.
//
// One order of summation for every output: eight lanes run along a block of columns, the block's lanes are added to
// the total's, and the total's lanes are summed at the end. So a row alone and a row among others give the same bits.

#include <immintrin.h>

#include <cstdint>

#include "float_load_avx2.h"
#include "matmul_rows.h"

namespace punie::kernels {
namespace {

/// Rows of x that the micro-kernel works on at once: with four weight rows that is twelve accumulators.
constexpr int micro_inputs = 3;

/// A mask of the first `count` of eight lanes.
inline __m256i first_lanes(int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/// Adds to totals[r * n + i] (eight lanes each) the products of tile row r and x row i over `cols` columns. Tile rows
/// are block_cols apart and padded with zeros to eight columns.
template <int rows, int inputs>
void multiply_tile(const float* tile, const float* x, int64_t x_stride, int64_t cols, int64_t n, float* totals) {
  __m256 sums[rows][inputs];
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < inputs; ++i) sums[r][i] = _mm256_setzero_ps();
  const auto step = [&](int64_t c, auto load_input) {
    __m256 input[inputs];
    for (int i = 0; i < inputs; ++i) input[i] = load_input(x + i * x_stride + c);
    for (int r = 0; r < rows; ++r) {
      const __m256 weight = _mm256_load_ps(tile + r * block_cols + c);
      for (int i = 0; i < inputs; ++i) sums[r][i] = _mm256_fmadd_ps(weight, input[i], sums[r][i]);
    }
  };
  int64_t c = 0;
  for (; c + 8 <= cols; c += 8) step(c, [](const float* from) { return _mm256_loadu_ps(from); });
  if (c < cols) {
    const __m256i mask = first_lanes(cols - c);
    step(c, [mask](const float* from) { return _mm256_maskload_ps(from, mask); });
  }
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < inputs; ++i) {
      float* total = totals + (r * n + i) * 8;
      _mm256_store_ps(total, _mm256_add_ps(_mm256_load_ps(total), sums[r][i]));
    }
}

/// A tile of `rows` rows against `n` (at most block_inputs) rows of x.
template <int rows>
void multiply_tile_by_all(const float* tile, const float* x, int64_t x_stride, int64_t n, int64_t cols, float* totals) {
  int64_t i = 0;
  for (; i + micro_inputs <= n; i += micro_inputs)
    multiply_tile<rows, micro_inputs>(tile, x + i * x_stride, x_stride, cols, n, totals + i * 8);
  if (n - i == 2) multiply_tile<rows, 2>(tile, x + i * x_stride, x_stride, cols, n, totals + i * 8);
  if (n - i == 1) multiply_tile<rows, 1>(tile, x + i * x_stride, x_stride, cols, n, totals + i * 8);
}

/// y's columns [begin, end), at most chunk_rows, for `n` (at most block_inputs) rows of x.
template <class Weights>
void multiply_block(const Weights& w, const float* x, int64_t n, const float* bias, float* y, int64_t begin,
                    int64_t end, float* scratch) {
  float* tile = scratch;
  float* totals = scratch + tile_rows * block_cols;
  for (int64_t i = 0; i < (end - begin) * n; ++i) _mm256_store_ps(totals + i * 8, _mm256_setzero_ps());

  for (int64_t c = 0; c < w.cols; c += block_cols) {
    const int64_t cols = c + block_cols < w.cols ? block_cols : w.cols - c;
    for (int64_t row = begin; row < end; row += tile_rows) {
      const int64_t rows = row + tile_rows < end ? tile_rows : end - row;
      for (int64_t r = 0; r < rows; ++r) w.unpack(row + r, c, cols, tile + r * block_cols);
      float* row_totals = totals + (row - begin) * n * 8;
      switch (rows) {
        case 4:
          multiply_tile_by_all<4>(tile, x + c, w.cols, n, cols, row_totals);
          break;
        case 3:
          multiply_tile_by_all<3>(tile, x + c, w.cols, n, cols, row_totals);
          break;
        case 2:
          multiply_tile_by_all<2>(tile, x + c, w.cols, n, cols, row_totals);
          break;
        default:
          multiply_tile_by_all<1>(tile, x + c, w.cols, n, cols, row_totals);
      }
    }
  }
  for (int64_t i = 0; i < n; ++i)
    for (int64_t row = begin; row < end; ++row) {
      const float sum = sum_lanes(_mm256_load_ps(totals + ((row - begin) * n + i) * 8));
      y[i * w.rows + row] = bias ? sum + bias[row] : sum;
    }
}

/// `rows` rows against one row of x, unpacked in registers.
template <int rows, class Weights>
void multiply_one(const Weights& w, const float* x, const float* bias, float* y, int64_t row) {
  __m256 totals[rows];
  for (int r = 0; r < rows; ++r) totals[r] = _mm256_setzero_ps();
  for (int64_t c = 0; c < w.cols; c += block_cols) {
    const int64_t cols = c + block_cols < w.cols ? block_cols : w.cols - c;
    __m256 sums[rows];
    for (int r = 0; r < rows; ++r) sums[r] = _mm256_setzero_ps();
    w.template accumulate<rows>(row, c, cols, x + c, sums);
    for (int r = 0; r < rows; ++r) totals[r] = _mm256_add_ps(totals[r], sums[r]);
  }
  for (int r = 0; r < rows; ++r) {
    const float sum = sum_lanes(totals[r]);
    y[row + r] = bias ? sum + bias[row + r] : sum;
  }
}

/// y[n, w.rows]'s columns [begin, end), at most chunk_rows.
///
/// `Weights` has rows, cols, `unpack(row, column, count, out)`, which pads with zeros to eight, and
/// `accumulate<rows>(row, column, count, x, sums)`, which adds the products of consecutive rows with x, eight lanes
/// along the columns, in order. Columns begin at a multiple of block_cols.
template <class Weights>
void multiply_rows(const Weights& w, const float* x, int64_t n, const float* bias, float* y, int64_t begin, int64_t end,
                   float* scratch) {
  if (n == 1) {
    int64_t row = begin;
    for (; row + tile_rows <= end; row += tile_rows) multiply_one<tile_rows>(w, x, bias, y, row);
    for (; row < end; ++row) multiply_one<1>(w, x, bias, y, row);
    return;
  }
  for (int64_t i = 0; i < n; i += block_inputs)
    multiply_block(w, x + i * w.cols, i + block_inputs < n ? block_inputs : n - i, bias, y + i * w.rows, begin, end,
                   scratch);
}

}  // namespace
}  // namespace punie::kernels
