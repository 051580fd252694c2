#pragma once
// A step of one to four inputs with AVX-512 VNNI: a vector of weights of each of a panel's sixteen rows. The weights
// are bytes without sign, or nibbles that a mask and a shift make such bytes, and multiply the high and the low bytes
// of each input. What remains is to add up each row's lanes and to bring the sums of sixteen rows into one vector:
// while they fit 16 bits, two rows' go into one vector and the instruction that adds neighbours also weighs high and
// low bytes.

#include <immintrin.h>

#include "quantized_alone_product.h"
#include "vectors_avx512.h"

namespace punie::kernels {
namespace {

constexpr int lanes = 16;
constexpr int64_t vector_bytes = 64;

__mmask16 first(int64_t count) { return static_cast<__mmask16>(count >= lanes ? 0xffff : (1u << count) - 1); }

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

template <FloatType type>
void load_groups(const char* from, int64_t row_bytes, int64_t count, GroupFloats<lanes>& to) {
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

/// See AloneProduct.
struct Avx512Steps {
  using Vectors = Avx512;
  static constexpr int64_t steps_ahead = 12;
  template <int bits, int group_size>
  static constexpr int64_t step_columns = bits == 4 ? 128 : 64;

  template <FloatType type>
  static void load_groups(const char* from, int64_t row_bytes, int64_t count, const char* /*end*/,
                          GroupFloats<lanes>& to) {
    kernels::load_groups<type>(from, row_bytes, count, to);
  }

  template <int bits, int64_t columns, bool whole, int inputs, int units>
  static void multiply(const char* weights, int64_t row_stride, AskedWeights asked, const char* /*end*/, int64_t words,
                       const char* input, int64_t input_bytes, __m512i (&dots)[inputs][units]) {
    const int64_t asked_stride = asked.by_rows ? row_stride : columns * bits / 8;
    __m512i quads[inputs][4];
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) {
      // Else compilers keep sixteen addresses of each kind, on the stack, and load weights twice.
      keep(weights);
      keep(asked.at);
      // Four asked for at once are a tenth slower.
      const auto load = [&](int64_t row) {
        asked.prefetch<Avx512>(row * asked_stride);
        __m512i v = load_weights<bits, whole>(weights + row * row_stride, words);
        Avx512::keep(v);
        return RowBytes<bits>(v);
      };
      const RowBytes<bits> a = load(0), b = load(1), c = load(2), d = load(3);
#pragma GCC unroll 4
      for (int i = 0; i < inputs; ++i) {
        const StepInput<bits> x(input + i * input_bytes);
        quads[i][q] = add_neighbours(multiply_two_rows(a, b, x), multiply_two_rows(c, d, x));
      }
      weights += 4 * row_stride;
      asked.at += 4 * asked_stride;
    }
#pragma GCC unroll 4
    for (int i = 0; i < inputs; ++i) gather_units(quads[i], dots[i]);
  }

  /// The total's rows [begin, end) of those from `row` on, with their bias where there is one.
  static void store(__m512 total, const float* bias, int64_t row, float* y, int64_t begin, int64_t end) {
    const __mmask16 stored = static_cast<__mmask16>(first(end - row) & ~first(begin - row));
    if (bias != nullptr) total = _mm512_add_ps(total, _mm512_maskz_loadu_ps(stored, bias + row));
    _mm512_mask_storeu_ps(y + row, stored, total);
  }
};

}  // namespace
}  // namespace punie::kernels
