#include "exp_avx2.h"
#include "swiglu_range.h"

namespace punie::kernels {
namespace {

/// 1 + exp(-x): what a number is divided by to be multiplied by sigmoid(x).
__m256 divisor_lanes(__m256 x) {
  return _mm256_add_ps(_mm256_set1_ps(1.0f), exp_lanes(_mm256_sub_ps(_mm256_setzero_ps(), x)));
}

/// The first `count` of eight lanes.
__m256i first_lanes(int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/// y = f(a, b) over `count` floats.
template <typename Function>
void map_lanes(const float* a, const float* b, int64_t count, float* y, Function f) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) _mm256_storeu_ps(y + i, f(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i)));
  if (i == count) return;
  const __m256i mask = first_lanes(count - i);
  _mm256_maskstore_ps(y + i, mask, f(_mm256_maskload_ps(a + i, mask), _mm256_maskload_ps(b + i, mask)));
}

}  // namespace

void swiglu_avx2(const float* gate, const float* up, int64_t count, float* y) {
  map_lanes(gate, up, count, y,
            [](__m256 g, __m256 u) { return _mm256_mul_ps(_mm256_div_ps(g, divisor_lanes(g)), u); });
}

void multiply_sigmoid_avx2(const float* gate, float* x, int64_t count) {
  map_lanes(gate, x, count, x, [](__m256 g, __m256 value) { return _mm256_div_ps(value, divisor_lanes(g)); });
}

}  // namespace punie::kernels
