#pragma once

#include <cstdint>

#include "float_type.h"
#include "thread_pool.h"

namespace punie::kernels {

/// A [rows, cols] matrix in MLX's affine quantization, as it lies in a safetensors file; nothing need be aligned.
///
/// `weight`: per row a little-endian bit stream of `cols` values of `bits` bits (2 3 4 5 6 8), low bits first.
/// `scales`, `biases`: [rows, cols / group_size]. A value is scale * q + bias. `group_size` is 32, 64 or 128 and
/// divides `cols`.
struct QuantizedMatrix {
  const void* weight;
  const void* scales;
  const void* biases;
  FloatType scale_type;
  int64_t rows;
  int64_t cols;
  int bits;
  int group_size;
};

/// y[n, rows] = x[n, cols] · dequantized(w)ᵀ + bias[rows]; `bias` may be null. In float32; a row of y has the same
/// bits whatever `n` and the threads are.
void quantized_matmul(const QuantizedMatrix& w, const float* x, int64_t n, const float* bias, float* y,
                      const Parallel& parallel);

/// y[n, cols]: the dequantized rows `ids`, each in [0, rows).
void quantized_rows(const QuantizedMatrix& w, const int32_t* ids, int64_t n, float* y);

}  // namespace punie::kernels
