// A step of one to four inputs with AVX2: a vector of nibbles of each of a panel's eight rows, or a unit of wider and
// narrower weights, made bytes. The weights, bytes without sign, multiply the high and the low bytes of each input; the
// sums of two products fit 16 bits while the weights have 6 bits at most. Those of 8 bits multiply inputs of 16.

#include <immintrin.h>

#include "quantized_alone.h"
#include "quantized_alone_product.h"
#include "vectors_avx2.h"

namespace punie::kernels {
namespace {

constexpr int lanes = 8;
constexpr int64_t vector_bytes = 32;

__m256i load(const char* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }

/// An input's high and low bytes that meet a vector of weights; for nibbles, their low ones.
class InputBytes {
 public:
  explicit InputBytes(const char* from) : from_(from) {}

  __m256i high() const { return load(from_); }
  __m256i low() const { return load(from_ + vector_bytes); }
  __m256i high_of_high() const { return load(from_ + 2 * vector_bytes); }
  __m256i low_of_high() const { return load(from_ + 3 * vector_bytes); }
  /// The integers of even columns, and of odd ones.
  __m256i even() const {
    return _mm256_add_epi16(_mm256_slli_epi16(high(), 8), _mm256_srai_epi16(_mm256_slli_epi16(low(), 8), 8));
  }
  __m256i odd() const {
    return _mm256_add_epi16(_mm256_and_si256(high(), _mm256_set1_epi16(static_cast<int16_t>(0xff00))),
                            _mm256_srai_epi16(low(), 8));
  }

 private:
  const char* from_;
};

/// 256 times the sums of high bytes and the sums of low ones, neighbours added.
__m256i weigh(__m256i high, __m256i low) {
  return _mm256_add_epi32(_mm256_madd_epi16(high, _mm256_set1_epi16(256)),
                          _mm256_madd_epi16(low, _mm256_set1_epi16(1)));
}

/// Neighbours of a, then of b, in each 128-bit lane.
__m256i add_neighbours(__m256i a, __m256i b) {
  return _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
}

/// A row's weights of a step, as they multiply.
template <int bits, int vectors>
class RowWeights {
 public:
  template <bool whole>
  static RowWeights load_row(const char* from, int64_t words, const char* end) {
    RowWeights row;
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      const char* at = from + v * 4 * lanes * bits / 8;
      __m256i weights = Avx2::load_words<bits>(at, whole ? lanes : words - v * lanes, end);
      Avx2::keep(weights);
      if constexpr (bits == 4) {
        const __m256i mask = _mm256_set1_epi8(0x0f);
        row.first_[v] = _mm256_and_si256(weights, mask);
        row.second_[v] = _mm256_and_si256(_mm256_srli_epi16(weights, 4), mask);
      } else if constexpr (bits == 8) {
        row.first_[v] = _mm256_and_si256(weights, _mm256_set1_epi16(0xff));
        row.second_[v] = _mm256_srli_epi16(weights, 8);
      } else {
        row.first_[v] = weights;
      }
    }
    return row;
  }

  /// The sums of two or four neighbouring columns.
  __m256i multiply(const char* input) const {
    constexpr int64_t input_bytes = (bits == 4 ? 4 : 2) * vector_bytes;
    if constexpr (bits == 4) {
      const InputBytes x(input);
      return weigh(_mm256_add_epi16(_mm256_maddubs_epi16(first_[0], x.high()),
                                    _mm256_maddubs_epi16(second_[0], x.high_of_high())),
                   _mm256_add_epi16(_mm256_maddubs_epi16(first_[0], x.low()),
                                    _mm256_maddubs_epi16(second_[0], x.low_of_high())));
    } else if constexpr (bits == 8) {
      __m256i sum = _mm256_setzero_si256();
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) {
        const InputBytes x(input + v * input_bytes);
        sum = Avx2::add_dot(Avx2::add_dot(sum, first_[v], x.even()), second_[v], x.odd());
      }
      return sum;
    } else {
      const InputBytes x(input);
      __m256i high = _mm256_maddubs_epi16(first_[0], x.high()), low = _mm256_maddubs_epi16(first_[0], x.low());
      if constexpr (vectors == 2) {
        const InputBytes next(input + input_bytes);
        high = _mm256_add_epi16(high, _mm256_maddubs_epi16(first_[1], next.high()));
        low = _mm256_add_epi16(low, _mm256_maddubs_epi16(first_[1], next.low()));
      }
      return weigh(high, low);
    }
  }

 private:
  __m256i first_[vectors], second_[vectors];
};

/// The units' sums of eight rows of four rows' in each 128-bit lane.
template <int units>
void gather_units(__m256i low, __m256i high, __m256i (&sums)[units]) {
  const __m256i first = _mm256_permute2x128_si256(low, high, 0x20), second = _mm256_permute2x128_si256(low, high, 0x31);
  if constexpr (units == 2) {
    sums[0] = first;
    sums[1] = second;
  } else {
    sums[0] = _mm256_add_epi32(first, second);
  }
}

/// See AloneProduct.
struct Steps {
  using Vectors = Avx2;
  static constexpr int64_t steps_ahead = 0;  // in order
  template <int bits, int group_size>
  static constexpr int64_t step_columns = bits == 4 || group_size > 32 ? 64 : 32;

  template <FloatType type>
  static void load_groups(const char* from, int64_t row_bytes, int64_t count, const char* end, GroupFloats<lanes>& to) {
    if (end - (from + (lanes - 1) * row_bytes) >= block_row_bytes) {
      return transpose_groups<type>(from, row_bytes, to);
    }
    alignas(16) char rows[lanes][block_row_bytes] = {};
    for (int64_t row = 0; row < lanes; ++row) {
      std::memcpy(rows[row], from + row * row_bytes, static_cast<size_t>(count * float_bytes(type)));
    }
    transpose_groups<type>(rows[0], block_row_bytes, to);
  }

  template <int bits, int64_t columns, bool whole, int inputs, int units>
  static void multiply(const char* weights, int64_t row_stride, AskedWeights asked, const char* end, int64_t words,
                       const char* input, int64_t input_bytes, __m256i (&dots)[inputs][units]) {
    constexpr int vectors = bits == 4 ? 1 : columns / 32;
    constexpr int64_t asked_bytes = lanes * columns * bits / 8 / 2;  // of memory, for half of the rows
    using Row = RowWeights<bits, vectors>;
    __m256i quads[inputs][2];
#pragma GCC unroll 2
    for (int q = 0; q < 2; ++q) {
      // Else compilers keep eight addresses of each kind, on the stack.
      keep(weights);
      for (int64_t byte = q * asked_bytes; byte < (q + 1) * asked_bytes; byte += line_bytes) asked.prefetch<Avx2>(byte);
      const auto load_row = [&](int64_t row) {
        return Row::template load_row<whole>(weights + row * row_stride, words, end);
      };
      const Row a = load_row(0), b = load_row(1), c = load_row(2), d = load_row(3);
#pragma GCC unroll 4
      for (int i = 0; i < inputs; ++i) {
        const char* x = input + i * input_bytes;
        const __m256i first = add_neighbours(a.multiply(x), b.multiply(x));
        const __m256i second = add_neighbours(c.multiply(x), d.multiply(x));
        quads[i][q] = _mm256_add_epi32(_mm256_unpacklo_epi64(first, second), _mm256_unpackhi_epi64(first, second));
      }
      weights += 4 * row_stride;
    }
#pragma GCC unroll 4
    for (int i = 0; i < inputs; ++i) gather_units(quads[i][0], quads[i][1], dots[i]);
  }

  /// The total's rows [begin, end) of those from `row` on, with their bias where there is one.
  static void store(__m256 total, const float* bias, int64_t row, float* y, int64_t begin, int64_t end) {
    if (end - begin == lanes) {
      if (bias != nullptr) total = _mm256_add_ps(total, _mm256_loadu_ps(bias + row));
      return _mm256_storeu_ps(y + row, total);
    }
    alignas(32) float totals[lanes];
    _mm256_store_ps(totals, total);
    for (int64_t r = begin; r < end; ++r) y[r] = totals[r - row] + (bias != nullptr ? bias[r] : 0.0f);
  }

 private:
  template <FloatType type>
  static void transpose_groups(const char* from, int64_t row_bytes, GroupFloats<lanes>& to) {
    const auto load_row = [&](int64_t row) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + row * row_bytes));
    };
    // Rows 0 to 3 in one lane, 4 to 7 in the other; then each 32-bit word of eight rows.
    __m256i v[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) v[k] = _mm256_inserti128_si256(_mm256_castsi128_si256(load_row(k)), load_row(4 + k), 1);
    const __m256i a = _mm256_unpacklo_epi32(v[0], v[1]), b = _mm256_unpacklo_epi32(v[2], v[3]),
                  c = _mm256_unpackhi_epi32(v[0], v[1]), d = _mm256_unpackhi_epi32(v[2], v[3]);
    const __m256i words[4] = {_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b), _mm256_unpacklo_epi64(c, d),
                              _mm256_unpackhi_epi64(c, d)};
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      if constexpr (type == FloatType::f32) {
        _mm256_store_ps(to.at[k], _mm256_castsi256_ps(words[k]));
      } else {
        const __m256i even = _mm256_slli_epi32(words[k], 16);
        const __m256i odd = _mm256_and_si256(words[k], _mm256_set1_epi32(static_cast<int>(0xffff0000)));
        if constexpr (type == FloatType::bf16) {
          _mm256_store_ps(to.at[2 * k], _mm256_castsi256_ps(even));
          _mm256_store_ps(to.at[2 * k + 1], _mm256_castsi256_ps(odd));
        } else {
          _mm256_store_ps(to.at[2 * k], halves_to_floats(even));
          _mm256_store_ps(to.at[2 * k + 1], halves_to_floats(odd));
        }
      }
    }
  }

  /// Of the upper halves of 32-bit words.
  static __m256 halves_to_floats(__m256i words) {
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(_mm256_srli_epi32(words, 16), words), 0x08);
    return _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
  }
};

}  // namespace

void multiply_alone_avx2(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                         float* y, int64_t begin, int64_t end) {
  multiply_alone<Steps>(w, layout, rounded, bias, y, begin, end);
}

}  // namespace punie::kernels
