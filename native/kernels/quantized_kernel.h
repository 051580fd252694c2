#pragma once
// The quantized product of each instruction set: one algorithm, `QuantizedProduct` below, over its vectors.
//
// An element of y is one chain of additions over the units of columns, the same everywhere:
//   y = fma(dot(unit), scale(weight) * scale(input), y) for each unit, in order; the dot products are exact
//   y = fma(bias(weight), sum(input), y) after each group's last unit, where the weights are affine
// So its bits depend neither on which inputs and rows are computed beside it nor on the instruction set.
//
// Weight rows go in panels of as many rows as a vector has lanes, a row to a lane. For many inputs the weights' words
// are transposed into that form, and each is multiplied by a block of inputs at a time. For an input alone the
// transposition would cost more than the rest: there a row is multiplied as it lies, and the sums of a unit, one
// vector for each row, are brought together.

#include <cstdint>

#include "quantized_codes.h"
#include "quantized_matmul.h"
#include "rounded_inputs.h"
#include "scratch.h"

namespace punie::kernels {

struct QuantizedKernel {
  KernelShape shape;
  /// Scratch floats of `multiply`.
  int64_t (*scratch_floats)(const QuantizedMatrix& w, const InputLayout& layout);
  /// y[n, w.rows]'s columns [begin, end): `begin` a multiple of 16. `bias` may be null.
  void (*multiply)(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                   float* y, int64_t begin, int64_t end, float* scratch);
};

extern const QuantizedKernel quantized_kernel_portable;
#if defined(__x86_64__)
extern const QuantizedKernel quantized_kernel_avx2;
extern const QuantizedKernel quantized_kernel_avx512;
#elif defined(__aarch64__)
extern const QuantizedKernel quantized_kernel_neon;
#endif

namespace {

/// Steps of a panel that weights are asked of memory before their use: some microseconds of a core's share of it.
constexpr int64_t steps_ahead = 12;

/// Of a cache.
constexpr int64_t line_bytes = 64;

/// Columns whose words are transposed before they are used: their panel stays in L1. Every group size divides it.
constexpr int64_t transposed_columns = 1024;

template <class V>
class QuantizedProduct {
  using Ints = typename V::Ints;
  using Floats = typename V::Floats;
  static constexpr int lanes = V::lanes;
  static_assert(piece_rows % V::most_inputs == 0);

 public:
  static constexpr KernelShape shape{V::lanes, V::most_inputs, V::alone, V::most_bytes};

  static int64_t scratch_floats(const QuantizedMatrix& w, const InputLayout& layout) {
    const int64_t inputs = layout.alone ? 0 : layout.blocks() * layout.most_inputs;
    return lanes * (2 * (w.cols / w.group_size) + inputs + transposed_columns / 4);
  }

  static void multiply(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                       float* y, int64_t begin, int64_t end, float* scratch) {
    QuantizedProduct product(w, layout, rounded, bias, y, scratch);
    switch (w.mode) {
      case QuantizationMode::mxfp4:
      case QuantizationMode::nvfp4:
        return product.template run<E2m1Codes<V>>(begin, end);
      case QuantizationMode::mxfp8:
        return product.template run<E4m3Codes<V>>(begin, end);
      default:
        break;
    }
    switch (w.bits) {
      case 2:
        return product.template run<WholeCodes<V, 2>>(begin, end);
      case 3:
        return product.template run<WholeCodes<V, 3>>(begin, end);
      case 4:
        return product.template run<WholeCodes<V, 4>>(begin, end);
      case 5:
        return product.template run<WholeCodes<V, 5>>(begin, end);
      case 6:
        return product.template run<WholeCodes<V, 6>>(begin, end);
      default:
        return product.template run<WholeCodes<V, 8>>(begin, end);
    }
  }

 private:
  QuantizedProduct(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                   float* y, float* scratch)
      : w_(w), layout_(layout), rounded_(rounded), bias_(bias), y_(y) {
    row_bytes_ = w.cols * w.bits / 8;
    unit_bits_ = layout.units > layout.groups ? 1 : 0;
    weights_end_ = static_cast<const char*>(w.weight) + w.rows * row_bytes_;
    scales_ = scratch;
    biases_ = scales_ + lanes * layout.groups;
    words_ = reinterpret_cast<uint32_t*>(biases_ + lanes * layout.groups);
    totals_ = biases_ + lanes * (layout.groups + transposed_columns / 4);
  }

  template <class Codes>
  void run(int64_t begin, int64_t end) {
    for (first_row_ = begin; first_row_ < end; first_row_ += lanes) {
      rows_ = end - first_row_ < lanes ? end - first_row_ : lanes;
      load_scales<Codes>();
      if (layout_.alone) {
        run_alone<Codes>();
      } else {
        run_wide<Codes>();
      }
    }
  }

  /// A row of the panel; beyond the matrix's end its last one again, whose results are not stored.
  int64_t row(int r) const { return first_row_ + (r < rows_ ? r : rows_ - 1); }
  const char* weights(int r) const { return static_cast<const char*>(w_.weight) + row(r) * row_bytes_; }

  /// The panel's scales and biases: [groups][lanes].
  template <class Codes>
  void load_scales() {
    if constexpr (Codes::affine) {
      if (w_.scale_type == FloatType::bf16) load_affine<FloatType::bf16>();
      if (w_.scale_type == FloatType::f16) load_affine<FloatType::f16>();
      if (w_.scale_type == FloatType::f32) load_affine<FloatType::f32>();
    } else {
      const Floats factor = V::set(w_.scale_factor * Codes::step);
      const bool e4m3 = w_.mode == QuantizationMode::nvfp4;
      load_floats(w_.scales, 1, scales_, [&](const char* at, int64_t count, const char* end) {
        return V::multiply(e4m3 ? V::load_e4m3(at, count, end) : V::load_e8m0(at, count, end), factor);
      });
    }
  }
  template <FloatType type>
  void load_affine() {
    const auto load = [](const char* at, int64_t count, const char* end) {
      return V::template load_stored<type>(at, count, end);
    };
    load_floats(w_.scales, float_bytes(type), scales_, load);
    load_floats(w_.biases, float_bytes(type), biases_, load);
  }
  template <class Load>
  void load_floats(const void* array, int64_t bytes, float* to, Load load) {
    const int64_t row_size = layout_.groups * bytes;
    const char* begin = static_cast<const char*>(array);
    const char* end = begin + w_.rows * row_size;
    const char* first = begin + first_row_ * row_size;
    for (int64_t g = 0; g < layout_.groups; g += lanes) {
      const int64_t count = layout_.groups - g < lanes ? layout_.groups - g : lanes;
      Ints v[lanes];
#pragma GCC unroll 16
      for (int r = 0; r < lanes; ++r) {
        v[r] = V::as_ints(load(first + (r < rows_ ? r : rows_ - 1) * row_size + g * bytes, count, end));
      }
      V::transpose(v, count, reinterpret_cast<uint32_t*>(to) + g * lanes);
    }
  }

  /// Adds a unit to the total of one input.
  template <class Codes>
  void add_unit(Floats& total, Floats dot, int64_t unit, const float* scales, const float* sums, int64_t stride) const {
    const int64_t group = unit >> unit_bits_;
    const Floats scale = V::multiply(V::load(scales_ + group * lanes), V::set(scales[unit * stride]));
    total = V::fma(dot, scale, total);
    if (Codes::affine && (unit_bits_ == 0 || unit % 2 == 1)) {
      total = V::fma(V::load(biases_ + group * lanes), V::set(sums[group * stride]), total);
    }
  }

  void store(Floats total, int64_t input) const {
    if (bias_ != nullptr) total = V::add(total, V::load_some(bias_ + first_row_, rows_));
    V::store_some(y_ + input * w_.rows + first_row_, total, rows_);
  }

  // One input.

  template <class Codes>
  void run_alone() {
    if constexpr (Codes::affine && V::most_bytes > 0) {
      return;  // multiplied as bytes, elsewhere
    } else if constexpr (V::alone && Codes::affine) {
      layout_.unit < most_unit_columns ? multiply_alone<Codes, 32>() : multiply_alone<Codes, 64>();
    } else if constexpr (V::alone && Codes::bits == 4) {
      layout_.unit < 32 ? multiply_alone<Codes, 16>() : multiply_alone<Codes, 32>();
    } else if constexpr (V::alone) {
      multiply_alone<Codes, 32>();
    }
  }

  template <class Codes, int unit>
  void multiply_alone() {
    constexpr int values_of_word = 2 * Codes::pairs_of_word;
    constexpr int pairs_of_word = Codes::pairs_of_word;
    constexpr int unit_words = unit / values_of_word;
    constexpr int units = unit_words < lanes ? lanes / unit_words : 1;    // of a step
    constexpr int vectors = unit_words < lanes ? 1 : unit_words / lanes;  // of a step
    constexpr int64_t vector_bytes = int64_t{lanes} * values_of_word * Codes::bits / 8;
    const auto* pairs = reinterpret_cast<const int32_t*>(rounded_);
    const float* scales = rounded_ + layout_.pairs;
    const float* sums = scales + layout_.units;
    const char* rows[lanes];
    for (int r = 0; r < lanes; ++r) rows[r] = weights(r);
    // What is asked of memory: the weights that come `steps_ahead` steps later, in this panel or another, and the
    // scales and biases of the panel after those, a line of each at a step: there are about as many.
    const int64_t steps = (layout_.words + lanes * vectors - 1) / (lanes * vectors);
    const char* panel_ahead = rows[0] + steps_ahead / steps * lanes * row_bytes_;
    int64_t step_ahead = steps_ahead % steps;
    const int64_t panel_floats = (first_row_ + (1 + steps_ahead / steps) * lanes) * layout_.groups;
    const char* next_scales = static_cast<const char*>(w_.scales) + panel_floats * scale_bytes(w_);
    const char* next_biases =
        Codes::affine ? static_cast<const char*>(w_.biases) + panel_floats * scale_bytes(w_) : next_scales + line_bytes;
    // With a unit of 16 there are two lines of scales for a step.
    constexpr int64_t scale_stride = unit == 16 ? 2 * line_bytes : line_bytes;

    Floats total = V::zero();
    for (int64_t word = 0; word < layout_.words; word += vectors * lanes) {
      const int64_t at = word / lanes * vector_bytes;
      const char* prefetched = panel_ahead + step_ahead * vectors * vector_bytes;
      if (++step_ahead == steps) {
        step_ahead = 0;
        panel_ahead += lanes * row_bytes_;
      }
      V::prefetch(next_scales);
      if (Codes::affine || unit == 16) V::prefetch(next_biases);
      next_scales += scale_stride;
      next_biases += scale_stride;
      // A row's products with the input, in the lanes of its words.
      const auto multiply_row = [&](int r, Ints* dots, int stride) {
        V::prefetch(prefetched + r * row_bytes_);
        for (int part = 0; part < Codes::parts; ++part) dots[part * stride] = V::zero_ints();
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) {
          const int64_t first = word + v * lanes;
          const Codes weights(V::template load_words<Codes::bits>(rows[r] + at + v * vector_bytes,
                                                                  layout_.words - first, weights_end_));
          const auto multiply = [&]<int k>() {
            const Ints inputs = V::load_unaligned_ints(pairs + first * pairs_of_word + k * lanes);
            dots[0] = V::template add_row_dot<units>(dots[0], weights.template pair<k, 0>(), inputs);
            if constexpr (Codes::parts == 2)
              dots[stride] = V::template add_row_dot<units>(dots[stride], weights.template pair<k, 1>(), inputs);
          };
          multiply.template operator()<0>();
          multiply.template operator()<1>();
          if constexpr (pairs_of_word == 4) {
            multiply.template operator()<2>();
            multiply.template operator()<3>();
          }
        }
      };
      Ints dots[Codes::parts][units];
      V::template sum_rows<units, Codes::parts>(multiply_row, dots);
      const int64_t first_unit = word / unit_words;
      for (int u = 0; u < units && first_unit + u < layout_.units; ++u) {
        Floats dot = V::to_floats(dots[0][u]);
        if constexpr (Codes::parts == 2) dot = V::fma(V::to_floats(dots[1][u]), V::set(Codes::part_step), dot);
        add_unit<Codes>(total, dot, first_unit + u, scales, sums, 1);
      }
    }
    store(total, 0);
  }

  // Many inputs.

  template <class Codes>
  void run_wide() {
    constexpr int values_of_word = 2 * Codes::pairs_of_word;
    const int64_t blocks = layout_.blocks();
    for (int64_t i = 0; i < blocks * layout_.most_inputs; ++i) V::store(totals_ + i * lanes, V::zero());
    for (int64_t column = 0; column < w_.cols; column += transposed_columns) {
      const int64_t cols = w_.cols - column < transposed_columns ? w_.cols - column : transposed_columns;
      transpose_words<Codes>(column, cols / values_of_word);
      // The next panel's weights, a line for each word.
      const char* ahead = weights(0) + lanes * (row_bytes_ + column * Codes::bits / 8);
      for (int64_t b = 0; b < blocks; ++b) multiply_block<Codes>(b, column, cols, ahead);
    }
    for (int64_t i = 0; i < layout_.n; ++i) {
      store(V::load(totals_ + i * lanes), i);
    }
  }

  template <class Codes>
  void transpose_words(int64_t column, int64_t words) {
    constexpr int bits = Codes::bits;
    const int64_t at = column * bits / 8;
    constexpr int64_t vector_bytes = int64_t{lanes} * (2 * Codes::pairs_of_word) * bits / 8;
    for (int64_t word = 0; word < words; word += lanes) {
      const int64_t count = words - word < lanes ? words - word : lanes;
      Ints v[lanes];
#pragma GCC unroll 16
      for (int r = 0; r < lanes; ++r) {
        v[r] = V::template load_words<bits>(weights(r) + at + word / lanes * vector_bytes, count, weights_end_);
      }
      V::transpose(v, count, words_ + word * lanes);
    }
  }

  template <class Codes>
  void multiply_block(int64_t block, int64_t column, int64_t cols, const char* ahead) {
    switch (layout_.width(block)) {
#define PUNIE_WIDTH(width)                                                                                   \
  case width:                                                                                                \
    if constexpr (width <= V::most_inputs) return multiply_inputs<Codes, width>(block, column, cols, ahead); \
    break;
      PUNIE_WIDTH(3)
      PUNIE_WIDTH(4)
      PUNIE_WIDTH(5)
      PUNIE_WIDTH(6)
      PUNIE_WIDTH(7)
      PUNIE_WIDTH(8)
      PUNIE_WIDTH(10)
      PUNIE_WIDTH(12)
#undef PUNIE_WIDTH
    }
  }

  /// The transposed words against one block of inputs.
  template <class Codes, int width>
  void multiply_inputs(int64_t block, int64_t column, int64_t cols, const char* ahead) {
    constexpr int pairs_of_word = Codes::pairs_of_word;
    constexpr int64_t word_bytes = int64_t{lanes} * (2 * pairs_of_word) * Codes::bits / 8;
    const float* input = rounded_ + layout_.offset(block);
    const float* scales = input + width * layout_.pairs;
    const float* sums = scales + width * layout_.units;
    const int32_t* pairs = reinterpret_cast<const int32_t*>(input) + column / 2 * width;
    const uint32_t* words = words_;
    const int64_t unit_words = layout_.unit / (2 * pairs_of_word);
    float* stored = totals_ + block * layout_.most_inputs * lanes;

    Floats totals[width];
    for (int i = 0; i < width; ++i) totals[i] = V::load(stored + i * lanes);
    for (int64_t unit = column / layout_.unit; unit < (column + cols) / layout_.unit; ++unit) {
      // One part of the codes after the other: the sums of both would not stay in registers.
      const auto multiply_part = [&]<int part>(Ints(&dots)[width]) {
        const uint32_t* word_at = words;
        const int32_t* pair_at = pairs;
        for (int i = 0; i < width; ++i) dots[i] = V::zero_ints();
        int64_t left = unit_words;
        do {  // at least once: else compilers keep the sums in memory
          if constexpr (part == 0) {
            V::prefetch(ahead);
            ahead += word_bytes;
          }
          Ints word = V::load_ints(word_at);
          word_at += lanes;
          V::keep(word);
          const Codes codes(word);
          const auto multiply = [&]<int k>() {
            const auto weights = V::weights_of(codes.template pair<k, part>());
            for (int i = 0; i < width; ++i) {
              dots[i] = V::add_dot(dots[i], weights, V::broadcast_pair(pair_at + k * width + i));
            }
          };
          multiply.template operator()<0>();
          multiply.template operator()<1>();
          if constexpr (pairs_of_word == 4) {
            multiply.template operator()<2>();
            multiply.template operator()<3>();
          }
          pair_at += pairs_of_word * width;
        } while (--left > 0);
      };
      Ints dots[width];
      multiply_part.template operator()<0>(dots);
      if constexpr (Codes::parts == 1) {
        for (int i = 0; i < width; ++i) {
          add_unit<Codes>(totals[i], V::to_floats(dots[i]), unit, scales + i, sums + i, width);
        }
      } else {
        Ints high[width];
        multiply_part.template operator()<1>(high);
        const Floats step = V::set(Codes::part_step);
        for (int i = 0; i < width; ++i) {
          const Floats dot = V::fma(V::to_floats(high[i]), step, V::to_floats(dots[i]));
          add_unit<Codes>(totals[i], dot, unit, scales + i, sums + i, width);
        }
      }
      words += unit_words * lanes;
      pairs += unit_words * pairs_of_word * width;
    }
    for (int i = 0; i < width; ++i) V::store(stored + i * lanes, totals[i]);
  }

  const QuantizedMatrix& w_;
  const InputLayout& layout_;
  const float* rounded_;
  const float* bias_;
  float* y_;

  int64_t row_bytes_;
  int unit_bits_;  // 1 where a group is two units, else 0
  const char* weights_end_;
  float* scales_;    // [groups][lanes]
  float* biases_;    // [groups][lanes]
  uint32_t* words_;  // [words of transposed_columns][lanes]
  float* totals_;    // [inputs][lanes]

  int64_t first_row_ = 0;
  int64_t rows_ = 0;
};

}  // namespace
}  // namespace punie::kernels
