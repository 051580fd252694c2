#pragma once

#include <cstdint>

#include "float_type.h"
#include "thread_pool.h"

namespace punie::kernels {

/// A [rows, cols] matrix of floats as it lies in a file; it need not be aligned.
struct FloatMatrix {
  const void* data;
  FloatType type;
  int64_t rows;
  int64_t cols;
};

/// y[n, rows] = x[n, cols] · wᵀ + bias[rows]; `bias` may be null. In float32; a row of y has the same bits whatever
/// `n` and the threads are.
void float_matmul(const FloatMatrix& w, const float* x, int64_t n, const float* bias, float* y,
                  const Parallel& parallel);

/// The same for y's columns [begin, end), on this thread; `begin` is a multiple of 16.
void multiply_float_rows(const FloatMatrix& w, const float* x, int64_t n, const float* bias, float* y, int64_t begin,
                         int64_t end);

/// y[n, cols]: the rows `ids`, each in [0, rows), as float32.
void float_rows(const FloatMatrix& w, const int32_t* ids, int64_t n, float* y);

}  // namespace punie::kernels
