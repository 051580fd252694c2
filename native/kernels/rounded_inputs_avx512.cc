#include <immintrin.h>

#include "rounded_inputs.h"

namespace punie::kernels {

static constexpr int lanes = 16;
static constexpr int64_t vector_bytes = 64;

/// The sum of all lanes, modulo 2^32: that of `_mm512_reduce_add_epi32` is GCC's of `int`, which must not overflow.
static int32_t sum_wrapping(__m512i v) {
  const __m256i halves = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
  __m128i sums = _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
  sums = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0x4e));
  sums = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0xb1));
  return _mm_cvtsi128_si32(sums);
}

int32_t cross_unit_avx512(const int32_t* pairs, int64_t unit) {
  __m512i sum = _mm512_setzero_si512();
  for (int64_t i = 0; i < unit / 2; i += lanes) {
    const int64_t left = unit / 2 - i;
    const __mmask16 there = static_cast<__mmask16>(left >= lanes ? 0xffff : (1u << left) - 1);
    const __m512i v = _mm512_maskz_loadu_epi32(there, pairs + i);
    // A pair's neighbours are those of the pair after it.
    sum = _mm512_dpwssd_epi32(sum, v, _mm512_srli_epi64(v, 32));
  }
  return sum_wrapping(_mm512_sub_epi32(_mm512_setzero_si512(), sum));
}

void split_unit_avx512(const int16_t* values, int64_t unit, bool nibbles, char* to) {
  for (int64_t i = 0; i < unit; i += 2 * lanes) {
    const __m512i low = _mm512_loadu_si512(values + i);
    const __m512i high = _mm512_srai_epi16(_mm512_add_epi16(low, _mm512_set1_epi16(128)), 8);
    const auto store_halves = [](char* at, __m512i v) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(at), _mm512_cvtepi32_epi8(v));
    };
    if (nibbles) {
      store_halves(to, high);
      store_halves(to + vector_bytes, low);
      store_halves(to + 2 * vector_bytes, _mm512_srli_epi32(high, 16));
      store_halves(to + 3 * vector_bytes, _mm512_srli_epi32(low, 16));
      to += lanes;
    } else {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi16_epi8(high));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + vector_bytes), _mm512_cvtepi16_epi8(low));
      to += 2 * lanes;
    }
  }
}

void tile_unit_avx512(const int16_t* values, int64_t unit, bool nibbles, char* high, char* low) {
  const __m256i evens_first =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15));
  for (int64_t i = 0; i < unit; i += 2 * lanes) {
    const __m512i both = _mm512_loadu_si512(values + i);
    __m256i of_high = _mm512_cvtepi16_epi8(_mm512_srai_epi16(both, 8)), of_low = _mm512_cvtepi16_epi8(both);
    if (nibbles) {
      of_high = _mm256_shuffle_epi8(of_high, evens_first);
      of_low = _mm256_shuffle_epi8(of_low, evens_first);
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(high + i), of_high);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(low + i), of_low);
  }
}

}  // namespace punie::kernels
