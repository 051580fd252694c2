#pragma once
// One to four inputs with AVX-512 VNNI. A step is a vector of weights of each of a panel's sixteen rows, as they lie.
// The weights are bytes without sign, or nibbles that a mask and a shift make such bytes, and multiply the high and the
// low bytes of each input. What remains is to add up each row's lanes and to bring the sums of sixteen rows into one
// vector: while they fit 16 bits, two rows' go into one vector and the instruction that adds neighbours also weighs
// high and low bytes.

#include <immintrin.h>

#include "affine_widths.h"
#include "quantized_matmul.h"
#include "rounded_inputs.h"
#include "vectors_avx512.h"

namespace punie::kernels {
namespace {

constexpr int lanes = 16;
constexpr int64_t vector_bytes = 64;

/// Scales of a row that are prepared at a time.
constexpr int64_t block_row_bytes = 16;
constexpr int64_t most_block_groups = 8;

/// Steps that weights are asked of memory before their use.
constexpr int64_t steps_ahead = 12;

__mmask16 first(int64_t count) { return static_cast<__mmask16>(count >= lanes ? 0xffff : (1u << count) - 1); }

/// Into L2: fetched into L1, the weights to come would take the place of what is in use.
void prefetch(const char* at) { _mm_prefetch(at, _MM_HINT_T1); }

/// Takes a pointer for one that nothing is known of.
void keep(const char*& pointer) { asm("" : "+r"(pointer)); }

/// `words` (16 or fewer) vectors' lanes of a row: nibbles or bytes as they lie, else a byte for each value. The rest is
/// zero, and nothing beyond them is read.
template <int bits, bool whole>
__m512i load_weights(const char* from, int64_t words) {
  if constexpr (bits == 4 || bits == 8) {
    return whole ? _mm512_loadu_si512(from) : _mm512_maskz_loadu_epi32(first(words), from);
  } else {
    return Avx512::load_words<bits>(from, whole ? lanes : words, nullptr);
  }
}

/// The bytes of the input that a step needs: those that meet nibbles' high halves are there for 4 bits only.
template <int bits>
struct StepInput {
  __m512i high, low, high_of_high, low_of_high;

  explicit StepInput(const char* from)
      : high(_mm512_loadu_si512(from)),
        low(_mm512_loadu_si512(from + vector_bytes)),
        high_of_high(bits == 4 ? _mm512_loadu_si512(from + 2 * vector_bytes) : high),
        low_of_high(bits == 4 ? _mm512_loadu_si512(from + 3 * vector_bytes) : low) {}
};

/// In each 128-bit lane: the sums of lanes 0 and 1 and of lanes 2 and 3 of row a, then of row b.
__m512i add_neighbours(__m512i a, __m512i b) {
  const __m512 x = _mm512_castsi512_ps(a), y = _mm512_castsi512_ps(b);
  return _mm512_add_epi32(_mm512_castps_si512(_mm512_shuffle_ps(x, y, 0x88)),
                          _mm512_castps_si512(_mm512_shuffle_ps(x, y, 0xdd)));
}

/// A row's weights as bytes; nibbles' high ones apart.
template <int bits>
struct RowBytes {
  __m512i bytes, high_nibbles;

  explicit RowBytes(__m512i weights) : bytes(weights), high_nibbles(weights) {
    if constexpr (bits == 4) {
      const __m512i mask = _mm512_set1_epi8(0x0f);
      bytes = _mm512_and_si512(weights, mask);
      high_nibbles = _mm512_and_si512(_mm512_srli_epi16(weights, 4), mask);
    }
  }
};

/// What two rows make with an input, as add_neighbours has it.
template <int bits>
__m512i multiply_two_rows(const RowBytes<bits>& a, const RowBytes<bits>& b, const StepInput<bits>& x) {
  const __m512i zero = _mm512_setzero_si512();
  if constexpr (bits == 8) {
    // The sums take more than 16 bits.
    const auto multiply = [&](__m512i bytes) {
      return _mm512_dpbusd_epi32(_mm512_slli_epi32(_mm512_dpbusd_epi32(zero, bytes, x.high), 8), bytes, x.low);
    };
    return add_neighbours(multiply(a.bytes), multiply(b.bytes));
  } else {
    // At most 8 * 15 * 128 or 4 * 63 * 128.
    const auto multiply = [&](const RowBytes<bits>& row, __m512i input, __m512i of_high) {
      const __m512i sum = _mm512_dpbusd_epi32(zero, row.bytes, input);
      return bits == 4 ? _mm512_dpbusd_epi32(sum, row.high_nibbles, of_high) : sum;
    };
    const __m512i high = _mm512_packs_epi32(multiply(a, x.high, x.high_of_high), multiply(b, x.high, x.high_of_high));
    const __m512i low = _mm512_packs_epi32(multiply(a, x.low, x.low_of_high), multiply(b, x.low, x.low_of_high));
    return _mm512_dpwssd_epi32(_mm512_madd_epi16(low, _mm512_set1_epi16(1)), high, _mm512_set1_epi16(256));
  }
}

/// The 128-bit lanes of a, then of b, neighbours added.
__m512i add_quarters(__m512i a, __m512i b) {
  return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
}

/// Four rows' sums in each 128-bit lane of a quad to the units' sums of sixteen rows.
template <int units>
void gather_units(const __m512i (&quads)[4], __m512i (&sums)[units]) {
  if constexpr (units == 4) {
    const __m512i even_low = _mm512_shuffle_i32x4(quads[0], quads[1], 0x88),
                  odd_low = _mm512_shuffle_i32x4(quads[0], quads[1], 0xdd),
                  even_high = _mm512_shuffle_i32x4(quads[2], quads[3], 0x88),
                  odd_high = _mm512_shuffle_i32x4(quads[2], quads[3], 0xdd);
    sums[0] = _mm512_shuffle_i32x4(even_low, even_high, 0x88);
    sums[1] = _mm512_shuffle_i32x4(odd_low, odd_high, 0x88);
    sums[2] = _mm512_shuffle_i32x4(even_low, even_high, 0xdd);
    sums[3] = _mm512_shuffle_i32x4(odd_low, odd_high, 0xdd);
  } else {
    const __m512i low = add_quarters(quads[0], quads[1]), high = add_quarters(quads[2], quads[3]);
    if constexpr (units == 2) {
      sums[0] = _mm512_shuffle_i32x4(low, high, 0x88);
      sums[1] = _mm512_shuffle_i32x4(low, high, 0xdd);
    } else {
      sums[0] = add_quarters(low, high);
    }
  }
}

/// A panel's scales or biases of some groups.
struct alignas(64) GroupFloats {
  float at[most_block_groups][lanes];
};

template <FloatType type>
void load_groups(const char* from, int64_t row_bytes, int64_t count, GroupFloats& to) {
  constexpr int64_t size = type == FloatType::f32 ? 4 : 2;
  const __mmask8 bytes_of_group = static_cast<__mmask8>((1u << count) - 1);
  const auto load = [&](int64_t row) {
    const char* at = from + row * row_bytes;
    if (count * size == 16) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    if constexpr (size == 4) return _mm_maskz_loadu_epi32(bytes_of_group, at);
    return _mm_maskz_loadu_epi16(bytes_of_group, at);
  };
  // Four rows' 32-bit words in the 128-bit lanes of a vector, then the words of sixteen rows.
  __m512i v[4];
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    v[k] = _mm512_castsi128_si512(load(k));
    v[k] = _mm512_mask_broadcast_i32x4(v[k], 0x00f0, load(4 + k));
    v[k] = _mm512_mask_broadcast_i32x4(v[k], 0x0f00, load(8 + k));
    v[k] = _mm512_mask_broadcast_i32x4(v[k], 0xf000, load(12 + k));
  }
  const __m512i a = _mm512_unpacklo_epi32(v[0], v[1]), b = _mm512_unpacklo_epi32(v[2], v[3]),
                c = _mm512_unpackhi_epi32(v[0], v[1]), d = _mm512_unpackhi_epi32(v[2], v[3]);
  const __m512i words[4] = {_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b), _mm512_unpacklo_epi64(c, d),
                            _mm512_unpackhi_epi64(c, d)};
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    if constexpr (type == FloatType::f32) {
      _mm512_store_ps(to.at[k], _mm512_castsi512_ps(words[k]));
    } else if constexpr (type == FloatType::f16) {
      _mm512_store_ps(to.at[2 * k], _mm512_cvtph_ps(_mm512_cvtepi32_epi16(words[k])));
      _mm512_store_ps(to.at[2 * k + 1], _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(words[k], 16))));
    } else {
      _mm512_store_si512(to.at[2 * k], _mm512_slli_epi32(words[k], 16));
      _mm512_store_si512(to.at[2 * k + 1], _mm512_and_si512(words[k], _mm512_set1_epi32(static_cast<int>(0xffff0000))));
    }
  }
}

void load_groups(FloatType type, const char* from, int64_t row_bytes, int64_t count, GroupFloats& to) {
  if (type == FloatType::bf16) return load_groups<FloatType::bf16>(from, row_bytes, count, to);
  if (type == FloatType::f16) return load_groups<FloatType::f16>(from, row_bytes, count, to);
  return load_groups<FloatType::f32>(from, row_bytes, count, to);
}

template <int bits, int group_size, int inputs>
class AloneProduct {
  static constexpr int64_t step_columns = bits == 4 ? 128 : 64;
  static constexpr int64_t step_bytes = step_columns * bits / 8;  // of a row
  static constexpr int64_t step_input_bytes = 2 * step_columns;
  static constexpr int units_of_group = group_size > most_unit_columns ? group_size / most_unit_columns : 1;
  static constexpr int units = step_columns * units_of_group / group_size;  // of a step

 public:
  AloneProduct(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded)
      : w_(w),
        layout_(layout),
        input_(reinterpret_cast<const char*>(rounded)),
        input_bytes_(layout.input_floats() * int64_t{sizeof(float)}),
        row_bytes_(w.cols * bits / 8),
        scale_bytes_(float_bytes(w.scale_type)),
        block_groups_(block_row_bytes / scale_bytes_) {}

  void run(const float* bias, float* y, int64_t begin, int64_t end) const {
    int64_t row = begin;
    for (; row + lanes <= end; row += lanes) multiply_panel(row, 1, bias, y, row, row + lanes);
    if (row == end) return;
    // What is left is the end of a panel that begins before it; or, where none does, one row sixteen times.
    if (end >= lanes) return multiply_panel(end - lanes, 1, bias, y, row, end);
    for (; row < end; ++row) multiply_panel(row, 0, bias, y, row, row + 1);
  }

 private:
  /// The products of rows row, row + stride, ..., of which those from `begin` to `end` are stored.
  void multiply_panel(int64_t row, int64_t stride, const float* bias, float* y, int64_t begin, int64_t end) const {
    const char* weights = static_cast<const char*>(w_.weight) + row * row_bytes_;
    const int64_t row_stride = stride * row_bytes_;
    const int64_t scale_row_bytes = layout_.groups * scale_bytes_, scale_stride = stride * scale_row_bytes;
    const char* scales = static_cast<const char*>(w_.scales) + row * scale_row_bytes;
    const char* biases = static_cast<const char*>(w_.biases) + row * scale_row_bytes;
    // What is asked of memory: the weights that come `steps_ahead` steps later, in this panel or another, and the
    // scales and biases of the panel after those, for a block as many as it uses.
    const int64_t whole_steps = w_.cols / step_columns;
    const int64_t steps = whole_steps + (w_.cols % step_columns > 0 ? 1 : 0);
    const int64_t last_of_panel = steps - steps_ahead % steps;
    const int64_t ahead = steps_ahead / steps * lanes * row_bytes_ + steps_ahead % steps * step_bytes;
    const int64_t ahead_in_next = ahead + lanes * row_bytes_ - steps * step_bytes;
    const int64_t scales_ahead = (1 + steps_ahead / steps) * lanes * scale_row_bytes;

    GroupFloats group_scales, group_biases;
    __m512 totals[inputs];
    for (__m512& total : totals) total = _mm512_setzero_ps();
    int64_t step = 0;
    for (int64_t group = 0; group < layout_.groups; group += block_groups_) {
      const int64_t groups = std::min(block_groups_, layout_.groups - group);
      load_groups(w_.scale_type, scales + group * scale_bytes_, scale_stride, groups, group_scales);
      load_groups(w_.scale_type, biases + group * scale_bytes_, scale_stride, groups, group_biases);
      for (int64_t line = 0; line < lanes * block_row_bytes; line += line_bytes) {
        prefetch(scales + scales_ahead + group * scale_bytes_ * lanes + line);
        prefetch(biases + scales_ahead + group * scale_bytes_ * lanes + line);
      }
      const float* input_scales = reinterpret_cast<const float*>(input_) + layout_.pairs + group * units_of_group;
      const float* input_sums = reinterpret_cast<const float*>(input_) + layout_.pairs + layout_.units + group;
      const int64_t input_floats = layout_.input_floats();
      int64_t unit = 0;  // of the block
      const auto add_unit = [&](const __m512i(&dots)[inputs][units], int u) {
        const int64_t of_block = unit / units_of_group;
        const bool last_of_group = ++unit % units_of_group == 0;
#pragma GCC unroll 4
        for (int i = 0; i < inputs; ++i) {
          const __m512 scale = _mm512_mul_ps(_mm512_load_ps(group_scales.at[of_block]),
                                             _mm512_set1_ps(input_scales[i * input_floats + unit - 1]));
          totals[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[i][u]), scale, totals[i]);
          if (last_of_group) {
            totals[i] = _mm512_fmadd_ps(_mm512_load_ps(group_biases.at[of_block]),
                                        _mm512_set1_ps(input_sums[i * input_floats + of_block]), totals[i]);
          }
        }
      };
      __m512i dots[inputs][units];
      const int64_t last = std::min(whole_steps, (group + groups) * group_size / step_columns);
      for (; step < last; ++step) {
        const char* from = weights + step * step_bytes;
        multiply_step<true>(from, row_stride, from + (step < last_of_panel ? ahead : ahead_in_next), step, dots);
#pragma GCC unroll 4
        for (int u = 0; u < units; ++u) add_unit(dots, u);
      }
      if (group + groups == layout_.groups && step < steps) {
        const char* from = weights + step * step_bytes;
        multiply_step<false>(from, row_stride, from + ahead_in_next, step, dots);
        for (int u = 0; u < layout_.units % units; ++u) add_unit(dots, u);
      }
    }
    const __mmask16 stored = static_cast<__mmask16>(first(end - row) & ~first(begin - row));
    for (int i = 0; i < inputs; ++i) {
      __m512 total = totals[i];
      if (bias != nullptr) total = _mm512_add_ps(total, _mm512_maskz_loadu_ps(stored, bias + row));
      _mm512_mask_storeu_ps(y + i * w_.rows + row, stored, total);
    }
  }

  template <bool whole>
  void multiply_step(const char* weights, int64_t row_stride, const char* ahead, int64_t step,
                     __m512i (&dots)[inputs][units]) const {
    const char* input = input_ + step * step_input_bytes;
    const int64_t words = whole ? lanes : layout_.words % lanes;
    __m512i quads[inputs][4];
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) {
      // Else compilers keep sixteen addresses of each kind, on the stack, and load weights twice.
      keep(weights);
      keep(ahead);
      const auto load = [&](int64_t row) {
        prefetch(ahead + row * row_stride);
        __m512i v = load_weights<bits, whole>(weights + row * row_stride, words);
        Avx512::keep(v);
        return RowBytes<bits>(v);
      };
      const RowBytes<bits> a = load(0), b = load(1), c = load(2), d = load(3);
#pragma GCC unroll 4
      for (int i = 0; i < inputs; ++i) {
        const StepInput<bits> x(input + i * input_bytes_);
        quads[i][q] = add_neighbours(multiply_two_rows(a, b, x), multiply_two_rows(c, d, x));
      }
      weights += 4 * row_stride;
      ahead += 4 * row_stride;
    }
#pragma GCC unroll 4
    for (int i = 0; i < inputs; ++i) gather_units(quads[i], dots[i]);
  }

  const QuantizedMatrix& w_;
  const InputLayout& layout_;
  const char* input_;
  int64_t input_bytes_;  // from an input to the next
  int64_t row_bytes_;
  int64_t scale_bytes_;
  int64_t block_groups_;
};

template <int bits, int group_size>
void multiply_inputs(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                     float* y, int64_t begin, int64_t end) {
  switch (layout.n) {
    case 1:
      return AloneProduct<bits, group_size, 1>(w, layout, rounded).run(bias, y, begin, end);
    case 2:
      return AloneProduct<bits, group_size, 2>(w, layout, rounded).run(bias, y, begin, end);
    case 3:
      return AloneProduct<bits, group_size, 3>(w, layout, rounded).run(bias, y, begin, end);
    default:
      return AloneProduct<bits, group_size, 4>(w, layout, rounded).run(bias, y, begin, end);
  }
}

template <int bits>
void multiply_width(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                    float* y, int64_t begin, int64_t end) {
  if (w.group_size == 32) return multiply_inputs<bits, 32>(w, layout, rounded, bias, y, begin, end);
  if (w.group_size == 64) return multiply_inputs<bits, 64>(w, layout, rounded, bias, y, begin, end);
  multiply_inputs<bits, 128>(w, layout, rounded, bias, y, begin, end);
}

/// As QuantizedKernel::multiply, for a layout of inputs split into bytes.
void multiply_alone(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                    float* y, int64_t begin, int64_t end) {
  with_width(w.bits, [&]<int bits>() { multiply_width<bits>(w, layout, rounded, bias, y, begin, end); });
}

}  // namespace
}  // namespace punie::kernels
