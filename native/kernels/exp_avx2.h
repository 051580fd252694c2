#pragma once
// Internal linkage, for AVX2 files only.

#include <immintrin.h>

namespace punie::kernels {
namespace {

/// exp(x), within 2 units in the last place; 0 below -87.3, infinity above 88.7, NaN for NaN.
///
/// x = k ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts so that r is exact; exp(r) by its Taylor polynomial, whose
/// first term left out is below 6e-9; 2^k in two steps, because 2^128 is no float.
inline __m256 exp_lanes(__m256 x) {
  const __m256 too_low = _mm256_cmp_ps(x, _mm256_set1_ps(-87.336544f), _CMP_LT_OQ);
  // The order of the operands lets NaN through.
  const __m256 bounded = _mm256_max_ps(_mm256_set1_ps(-88.0f), _mm256_min_ps(_mm256_set1_ps(89.0f), x));
  const __m256 k = _mm256_round_ps(_mm256_mul_ps(bounded, _mm256_set1_ps(1.44269504f)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(k, _mm256_set1_ps(0.693359375f), bounded);
  r = _mm256_fnmadd_ps(k, _mm256_set1_ps(-2.12194440e-4f), r);
  __m256 sum = _mm256_set1_ps(1.0f / 5040);
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f / 720));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f / 120));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f / 24));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f / 6));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(0.5f));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f));
  const __m256i power = _mm256_cvtps_epi32(k);
  const __m256i half = _mm256_srai_epi32(power, 1);
  const auto two_to = [](__m256i e) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(e, _mm256_set1_epi32(127)), 23));
  };
  const __m256 result = _mm256_mul_ps(_mm256_mul_ps(sum, two_to(half)), two_to(_mm256_sub_epi32(power, half)));
  return _mm256_andnot_ps(too_low, result);
}

}  // namespace
}  // namespace punie::kernels
