#include <immintrin.h>

#include "rounded_inputs.h"

namespace punie::kernels {

/// Modulo 2^32.
static int32_t sum_lanes(__m256i v) {
  __m128i sums = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  sums = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0x4e));
  sums = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0xb1));
  return _mm_cvtsi128_si32(sums);
}

float round_unit_avx2(const float* x, int64_t unit, PairOrder pair_order, int32_t* pairs, int32_t& sum) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 largest = _mm256_setzero_ps();
  __m256 checks = _mm256_setzero_ps();
  for (int64_t i = 0; i < unit; i += 8) {
    const __m256 v = _mm256_andnot_ps(sign, _mm256_loadu_ps(x + i));
    largest = _mm256_max_ps(largest, v);
    checks = _mm256_add_ps(checks, _mm256_sub_ps(v, v));  // zero, or NaN where v is not finite
  }
  __m128 most = _mm_max_ps(_mm256_castps256_ps128(largest), _mm256_extractf128_ps(largest, 1));
  most = _mm_max_ps(most, _mm_movehl_ps(most, most));
  const float magnitude = _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)));
  const bool finite = _mm256_movemask_ps(_mm256_cmp_ps(checks, checks, _CMP_UNORD_Q)) == 0;
  const __m256 factor = _mm256_set1_ps(magnitude > 0 && finite ? largest_rounded / magnitude : 0.0f);

  // 16-bit values of a word's columns to pairs: 0 4 1 5 2 6 3 7 of eight, 0 2 1 3 of four.
  const __m256i of_nibbles =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15));
  const __m256i of_bytes =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
  const __m256i of_columns =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  const __m256i order = pair_order == PairOrder::nibbles ? of_nibbles
                        : pair_order == PairOrder::bytes ? of_bytes
                                                         : of_columns;
  __m256i sums = _mm256_setzero_si256();
  for (int64_t i = 0; i < unit; i += 16) {
    const __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), factor));
    const __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8), factor));
    sums = _mm256_add_epi32(sums, _mm256_add_epi32(low, high));
    const __m256i values = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(pairs + i / 2), _mm256_shuffle_epi8(values, order));
  }
  sum = finite ? sum_lanes(sums) : 0;
  return magnitude / largest_rounded + (finite ? 0.0f : __builtin_nanf(""));
}

int32_t cross_unit_avx2(const int32_t* pairs, int64_t unit) {
  __m256i sum = _mm256_setzero_si256();
  for (int64_t i = 0; i < unit / 2; i += 8) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(pairs + i));
    // A pair's neighbours are those of the pair after it.
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(v, _mm256_srli_epi64(v, 32)));
  }
  return sum_lanes(_mm256_sub_epi32(_mm256_setzero_si256(), sum));
}

void split_unit_avx2(const int16_t* values, int64_t unit, bool nibbles, char* to) {
  constexpr int64_t vector_bytes = 32;
  // The low bytes of the even and of the odd columns of a lane; then of both lanes.
  const __m256i evens_first =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 2, 6, 10, 14, -1, -1, -1, -1, -1, -1, -1, -1));
  const __m256i in_order =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, -1, -1, -1, -1, -1, -1, -1, -1));
  const auto low_bytes = [&](__m256i v) {
    if (nibbles) {
      const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 3, 6, 7);
      return _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(v, evens_first), order));
    }
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_shuffle_epi8(v, in_order), 0x08));
  };
  for (int64_t i = 0; i < unit; i += 16) {
    const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values + i));
    const __m128i high = low_bytes(_mm256_srai_epi16(_mm256_add_epi16(both, _mm256_set1_epi16(128)), 8));
    const __m128i low = low_bytes(both);
    if (nibbles) {
      const auto store = [&](int64_t vector, __m128i v) {
        _mm_storel_epi64(reinterpret_cast<__m128i*>(to + vector * vector_bytes), v);
      };
      store(0, high);
      store(1, low);
      store(2, _mm_unpackhi_epi64(high, high));
      store(3, _mm_unpackhi_epi64(low, low));
      to += 8;
    } else {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), high);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + vector_bytes), low);
      to += i % 32 == 16 ? 16 + vector_bytes : 16;
    }
  }
}

}  // namespace punie::kernels
