#pragma once

#include <cstdint>

#include "float_type.h"
#include "rounded_inputs.h"
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

/// Panels of weight rows begin at multiples of this.
inline constexpr int64_t panel_rows = 16;

/// What the product of `w` needs of its inputs.
InputFormat input_format(const QuantizedMatrix& w);

/// Where n rounded inputs lie, for the kernels in use.
InputLayout input_layout(const InputFormat& format, int64_t n);

/// y[n, w.rows]'s columns [begin, end) of rounded(x) · dequantized(w)ᵀ + bias[rows], on this thread. `begin` is a
/// multiple of panel_rows; `bias` may be null. An element of y has the same bits whatever n, begin, end, the threads
/// and the instruction set are.
void multiply_rounded(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                      float* y, int64_t begin, int64_t end);

/// y[n, rows] = x[n, cols] · dequantized(w)ᵀ + bias[rows], x rounded to 16 bits (see rounded_inputs.h).
void quantized_matmul(const QuantizedMatrix& w, const float* x, int64_t n, const float* bias, float* y,
                      const Parallel& parallel);

/// y[n, cols]: the dequantized rows `ids`, each in [0, rows).
void quantized_rows(const QuantizedMatrix& w, const int32_t* ids, int64_t n, float* y);

}  // namespace punie::kernels
