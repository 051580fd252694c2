#include <immintrin.h>

#include "rounded_inputs.h"

namespace punie::kernels {

static constexpr int lanes = 16;
static constexpr int64_t vector_bytes = 64;

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
