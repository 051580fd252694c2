#include "exp_avx2.h"
#include "swiglu_range.h"

namespace punie::kernels {
namespace {

__m256 swiglu_lanes(__m256 gate, __m256 up) {
  const __m256 one = _mm256_set1_ps(1.0f);
  const __m256 divisor = _mm256_add_ps(one, exp_lanes(_mm256_sub_ps(_mm256_setzero_ps(), gate)));
  return _mm256_mul_ps(_mm256_div_ps(gate, divisor), up);
}

}  // namespace

void swiglu_avx2(const float* gate, const float* up, int64_t count, float* y) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(y + i, swiglu_lanes(_mm256_loadu_ps(gate + i), _mm256_loadu_ps(up + i)));
  if (i == count) return;
  const __m256i mask =
      _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count - i)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  _mm256_maskstore_ps(y + i, mask, swiglu_lanes(_mm256_maskload_ps(gate + i, mask), _mm256_maskload_ps(up + i, mask)));
}

}  // namespace punie::kernels
