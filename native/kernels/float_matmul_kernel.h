#pragma once
// The float product over the vectors of an instruction set. All of it has internal linkage, and nothing of the standard
// library is used but what is compiled away: code made for one instruction set must not be the linker's choice for a
// file that runs without.
//
// One order of summation for every output: eight lanes run along a block of columns, the block's lanes are added to
// the total's, and the total's lanes are summed at the end. So a row alone and a row among others give the same bits.

#include <cstdint>

#include "matmul_rows.h"

namespace punie::kernels {
namespace {

/// Rows of x that the micro-kernel works on at once: with four weight rows that is twelve accumulators.
constexpr int micro_inputs = 3;

template <class V, FloatType type>
class FloatProduct {
  using Floats = typename V::Floats;
  static constexpr int lanes = V::lanes;
  static_assert(lanes == total_lanes);

 public:
  explicit FloatProduct(const FloatMatrix& w) : data_(static_cast<const char*>(w.data)), rows_(w.rows), cols_(w.cols) {}

  /// y[n, rows]'s columns [begin, end), at most chunk_rows.
  void multiply(const float* x, int64_t n, const float* bias, float* y, int64_t begin, int64_t end,
                float* scratch) const {
    if (n == 1) {
      int64_t row = begin;
      for (; row + tile_rows <= end; row += tile_rows) multiply_one<tile_rows>(x, bias, y, row);
      for (; row < end; ++row) multiply_one<1>(x, bias, y, row);
      return;
    }
    for (int64_t i = 0; i < n; i += block_inputs)
      multiply_block(x + i * cols_, i + block_inputs < n ? block_inputs : n - i, bias, y + i * rows_, begin, end,
                     scratch);
  }

 private:
  /// Up to eight weights from a column on, and zeros; reads none past `count`.
  Floats weights(int64_t row, int64_t column, int64_t count) const {
    const char* from = data_ + (row * cols_ + column) * float_bytes(type);
    return V::template load_stored<type>(from, count, from + count * float_bytes(type));
  }

  /// `count` weights into a tile's row, padded with zeros to eight.
  void unpack(int64_t row, int64_t column, int64_t count, float* out) const {
    int64_t c = 0;
    for (; c + lanes <= count; c += lanes) V::store(out + c, weights(row, column + c, lanes));
    if (c < count) V::store(out + c, weights(row, column + c, count - c));
  }

  /// Adds to totals[r * n + i] (eight lanes each) the products of tile row r and x row i over `cols` columns. Tile rows
  /// are block_cols apart and padded with zeros to eight columns.
  template <int rows, int inputs>
  static void multiply_tile(const float* tile, const float* x, int64_t x_stride, int64_t cols, int64_t n,
                            float* totals) {
    Floats sums[rows][inputs];
    for (int r = 0; r < rows; ++r)
      for (int i = 0; i < inputs; ++i) sums[r][i] = V::zero();
    const auto step = [&](int64_t c, int64_t count) {
      Floats input[inputs];
      for (int i = 0; i < inputs; ++i) input[i] = V::load_some(x + i * x_stride + c, count);
      for (int r = 0; r < rows; ++r) {
        const Floats weight = V::load(tile + r * block_cols + c);
        for (int i = 0; i < inputs; ++i) sums[r][i] = V::fma(weight, input[i], sums[r][i]);
      }
    };
    int64_t c = 0;
    for (; c + lanes <= cols; c += lanes) step(c, lanes);
    if (c < cols) step(c, cols - c);
    for (int r = 0; r < rows; ++r)
      for (int i = 0; i < inputs; ++i) {
        float* total = totals + (r * n + i) * lanes;
        V::store(total, V::add(V::load(total), sums[r][i]));
      }
  }

  /// A tile of `rows` rows against `n` (at most block_inputs) rows of x.
  template <int rows>
  static void multiply_tile_by_all(const float* tile, const float* x, int64_t x_stride, int64_t n, int64_t cols,
                                   float* totals) {
    int64_t i = 0;
    for (; i + micro_inputs <= n; i += micro_inputs)
      multiply_tile<rows, micro_inputs>(tile, x + i * x_stride, x_stride, cols, n, totals + i * lanes);
    if (n - i == 2) multiply_tile<rows, 2>(tile, x + i * x_stride, x_stride, cols, n, totals + i * lanes);
    if (n - i == 1) multiply_tile<rows, 1>(tile, x + i * x_stride, x_stride, cols, n, totals + i * lanes);
  }

  /// y's columns [begin, end) for `n` (at most block_inputs) rows of x.
  void multiply_block(const float* x, int64_t n, const float* bias, float* y, int64_t begin, int64_t end,
                      float* scratch) const {
    float* tile = scratch;
    float* totals = scratch + tile_rows * block_cols;
    for (int64_t i = 0; i < (end - begin) * n; ++i) V::store(totals + i * lanes, V::zero());

    for (int64_t c = 0; c < cols_; c += block_cols) {
      const int64_t cols = c + block_cols < cols_ ? block_cols : cols_ - c;
      for (int64_t row = begin; row < end; row += tile_rows) {
        const int64_t rows = row + tile_rows < end ? tile_rows : end - row;
        for (int64_t r = 0; r < rows; ++r) unpack(row + r, c, cols, tile + r * block_cols);
        float* row_totals = totals + (row - begin) * n * lanes;
        switch (rows) {
          case 4:
            multiply_tile_by_all<4>(tile, x + c, cols_, n, cols, row_totals);
            break;
          case 3:
            multiply_tile_by_all<3>(tile, x + c, cols_, n, cols, row_totals);
            break;
          case 2:
            multiply_tile_by_all<2>(tile, x + c, cols_, n, cols, row_totals);
            break;
          default:
            multiply_tile_by_all<1>(tile, x + c, cols_, n, cols, row_totals);
        }
      }
    }
    for (int64_t i = 0; i < n; ++i)
      for (int64_t row = begin; row < end; ++row) {
        const float sum = V::sum_lanes(V::load(totals + ((row - begin) * n + i) * lanes));
        y[i * rows_ + row] = bias ? sum + bias[row] : sum;
      }
  }

  /// `rows` rows against one row of x, unpacked in registers.
  template <int rows>
  void multiply_one(const float* x, const float* bias, float* y, int64_t row) const {
    Floats totals[rows];
    for (int r = 0; r < rows; ++r) totals[r] = V::zero();
    for (int64_t c = 0; c < cols_; c += block_cols) {
      const int64_t end = c + block_cols < cols_ ? c + block_cols : cols_;
      Floats sums[rows];
      for (int r = 0; r < rows; ++r) sums[r] = V::zero();
      const auto step = [&](int64_t column, int64_t count) {
        const Floats input = V::load_some(x + column, count);
        for (int r = 0; r < rows; ++r) sums[r] = V::fma(weights(row + r, column, count), input, sums[r]);
      };
      int64_t column = c;
      for (; column + lanes <= end; column += lanes) step(column, lanes);
      if (column < end) step(column, end - column);
      for (int r = 0; r < rows; ++r) totals[r] = V::add(totals[r], sums[r]);
    }
    for (int r = 0; r < rows; ++r) {
      const float sum = V::sum_lanes(totals[r]);
      y[row + r] = bias ? sum + bias[row + r] : sum;
    }
  }

  const char* data_;
  int64_t rows_;
  int64_t cols_;
};

template <class V>
void multiply_floats(const FloatMatrix& w, const float* x, int64_t n, const float* bias, float* y, int64_t begin,
                     int64_t end, float* scratch) {
  switch (w.type) {
    case FloatType::f32:
      return FloatProduct<V, FloatType::f32>(w).multiply(x, n, bias, y, begin, end, scratch);
    case FloatType::f16:
      return FloatProduct<V, FloatType::f16>(w).multiply(x, n, bias, y, begin, end, scratch);
    case FloatType::bf16:
      return FloatProduct<V, FloatType::bf16>(w).multiply(x, n, bias, y, begin, end, scratch);
  }
}

}  // namespace
}  // namespace punie::kernels
