#pragma once

#include <cstdint>

#include "float_type.h"
#include "rounded_inputs.h"
#include "thread_pool.h"

namespace punie::kernels {

enum class QuantizationMode { affine, mxfp4, mxfp8, nvfp4 };

/// A [rows, cols] matrix in one of MLX's quantizations, as it lies in a safetensors file; nothing need be aligned.
///
/// `weight`: per row a little-endian bit stream of `cols` codes of `bits` bits, low bits first. `scales`:
/// [rows, cols / group_size], where `group_size` divides `cols`.
///
/// | mode   | a value                       | bits        | group_size | scales, biases      |
/// |--------|-------------------------------|-------------|------------|---------------------|
/// | affine | scale * q + bias              | 2 3 4 5 6 8 | 32 64 128  | floats `scale_type` |
/// | mxfp4  | scale * E2M1                  | 4           | 32         | E8M0, none          |
/// | mxfp8  | scale * E4M3                  | 8           | 32         | E8M0, none          |
/// | nvfp4  | scale_factor * scale * E2M1   | 4           | 16         | E4M3, none          |
struct QuantizedMatrix {
  const void* weight;
  const void* scales;
  const void* biases;
  FloatType scale_type;
  int64_t rows;
  int64_t cols;
  int bits;
  int group_size;
  QuantizationMode mode = QuantizationMode::affine;
  /// Of nvfp4 with a global scale: that over `nvfp4_global_steps`.
  float scale_factor = 1;
};

/// A global scale of nvfp4 is the largest magnitude of its tensor, which the largest E4M3 scale times the largest E2M1
/// value stands for.
inline constexpr float nvfp4_global_steps = 448.0f * 6.0f;

/// Bytes of one scale.
static inline int64_t scale_bytes(const QuantizedMatrix& w) {
  return w.mode == QuantizationMode::affine ? float_bytes(w.scale_type) : 1;
}

/// Of a cache.
inline constexpr int64_t line_bytes = 64;

/// Panels of weight rows begin at multiples of this.
inline constexpr int64_t panel_rows = 16;

/// What the product of `w` needs of its inputs.
InputFormat input_format(const QuantizedMatrix& w);

/// Where n rounded inputs lie, for the kernels in use.
InputLayout input_layout(const InputFormat& format, int64_t n);

/// Rows that have to be worked on as one piece, or a multiple.
int64_t piece_rows();

/// However many inputs n there are, their layout has at most n + 2 times as many floats. Whole cache lines.
int64_t most_input_floats(const InputFormat& format);

/// y[n, w.rows]'s columns [begin, end) of rounded(x) · dequantized(w)ᵀ + bias[rows], on this thread. `begin` is a
/// multiple of panel_rows; `bias` may be null. An element of y has the same bits whatever n, begin, end, the threads
/// and the instruction set are.
void multiply_rounded(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                      float* y, int64_t begin, int64_t end);

/// Asks memory for rows [begin, end), and returns how many bytes they are.
int64_t prefetch_rows(const QuantizedMatrix& w, int64_t begin, int64_t end);

/// y[n, rows] = x[n, cols] · dequantized(w)ᵀ + bias[rows], x rounded to 16 bits (see rounded_inputs.h).
void quantized_matmul(const QuantizedMatrix& w, const float* x, int64_t n, const float* bias, float* y,
                      const Parallel& parallel);

/// y[n, cols]: the dequantized rows `ids`, each in [0, rows).
void quantized_rows(const QuantizedMatrix& w, const int32_t* ids, int64_t n, float* y);

}  // namespace punie::kernels
