#include "swiglu.h"

#include <cmath>

#include "cpu_features.h"
#include "swiglu_range.h"

namespace punie::kernels {

void swiglu(const float* gate, const float* up, int64_t count, float* y) {
#if defined(__x86_64__)
  if (use_avx2()) return swiglu_avx2(gate, up, count, y);
#elif defined(__aarch64__)
  if (use_neon()) return swiglu_neon(gate, up, count, y);
#endif
  for (int64_t i = 0; i < count; ++i) y[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

void multiply_sigmoid(const float* gate, float* x, int64_t count) {
#if defined(__x86_64__)
  if (use_avx2()) return multiply_sigmoid_avx2(gate, x, count);
#elif defined(__aarch64__)
  if (use_neon()) return multiply_sigmoid_neon(gate, x, count);
#endif
  for (int64_t i = 0; i < count; ++i) x[i] /= 1.0f + std::exp(-gate[i]);
}

}  // namespace punie::kernels
