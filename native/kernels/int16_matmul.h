#pragma once
// The quantized product on 16-bit activations, with AVX2: 4 and 8 bits, columns in multiples of 64.
//
// An input row is rounded to 16-bit integers, with a scale for every 32 or 64 columns: an error of at most 1/65534 of
// the largest magnitude among them, finer than bf16 by two hundred times. `pmaddwd` then multiplies sixteen pairs in
// one instruction, exactly, where float32 takes a conversion and a multiplication for every eight. The sums that the
// groups' biases are multiplied by are those of the rounded inputs: so the product is that of the true weights with
// the rounded inputs, but for float32's rounding, and nothing is lost where scale * q and bias cancel.

#include <algorithm>
#include <cstdint>

#include "quantized_matmul.h"

namespace punie::kernels {

/// Columns whose weights are unpacked together.
inline constexpr int64_t int16_block = 64;

/// Where the parts of one rounded input row lie, in floats: the integers (two to a float), a scale for each unit of
/// columns, and the sum of the rounded values of each group; scales and sums padded with zeros to whole vectors.
struct Int16Input {
  int64_t unit;  // columns of a scale: the group size, but no more than a block
  int64_t units;
  int64_t groups;
  int64_t scales;  // offset
  int64_t sums;    // offset
  int64_t floats;  // in all

  explicit Int16Input(const QuantizedMatrix& w)
      : unit(std::min<int64_t>(w.group_size, int16_block)),
        units(w.cols / unit),
        groups(w.cols / w.group_size),
        scales(w.cols / 2),
        sums(scales + padded(units)),
        floats(sums + padded(groups)) {}

  static int64_t padded(int64_t count) { return (count + 7) / 8 * 8; }
};

/// Rows of the weights that share their inputs' loads, and inputs that share the unpacked weights.
inline constexpr int64_t int16_tile_rows = 2;
inline constexpr int64_t int16_tile_inputs = 2;

/// Inputs that stay in L2 while a chunk of rows goes over them.
inline constexpr int64_t int16_block_inputs = 32;

inline bool is_int16_product(const QuantizedMatrix& w) {
  return (w.bits == 4 || w.bits == 8) && w.cols % int16_block == 0;
}

/// Scratch floats of `int16_matmul_avx2`: the tile rows' scales and biases as floats, and their products with the
/// inputs' scales.
inline int64_t int16_scratch_floats(const QuantizedMatrix& w) {
  const Int16Input input(w);
  return int16_tile_rows *
         (Int16Input::padded(input.groups) + (1 + int16_tile_inputs) * Int16Input::padded(input.units));
}

#if defined(__x86_64__)
/// Rounds one row x[w.cols] into `input.floats` floats, 32-byte aligned.
void round_input_avx2(const QuantizedMatrix& w, const Int16Input& input, const float* x, float* rounded);

/// y[n, w.rows]'s columns [begin, end) for `n` rounded inputs. An element of y has the same bits whatever n, begin and
/// end are. `scratch`: int16_scratch_floats(w), 32-byte aligned.
void int16_matmul_avx2(const QuantizedMatrix& w, const Int16Input& input, const float* rounded, int64_t n,
                       const float* bias, float* y, int64_t begin, int64_t end, float* scratch);
#endif

}  // namespace punie::kernels
