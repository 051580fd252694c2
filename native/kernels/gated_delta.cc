#include "gated_delta.h"

#include <cmath>

#include "cpu_features.h"
#include "gated_delta_block.h"
#include "swiglu.h"

namespace punie::kernels {

void gated_delta(const GatedDelta& shape, const GatedDeltaInputs& inputs, int64_t head, int64_t block,
                 const float* state, float* next, float* y) {
#if defined(__x86_64__)
  if (use_avx512()) return gated_delta_avx512(shape, inputs, head, block, state, next, y);
  if (use_avx2()) return gated_delta_avx2(shape, inputs, head, block, state, next, y);
#endif
  gated_delta_portable(shape, inputs, head, block, state, next, y);
}

float gated_delta_decay(float a_log, float a, float dt_bias) {
  const float x = a + dt_bias;
  const float softplus = std::max(x, 0.0f) + std::log1p(std::exp(-std::abs(x)));
  return std::exp(-std::exp(a_log) * softplus);
}

void causal_convolution(const float* const* inputs, const float* weight, int64_t taps, int64_t channels, float* y) {
  for (int64_t c = 0; c < channels; ++c) y[c] = weight[c] * inputs[0][c];
  for (int64_t tap = 1; tap < taps; ++tap) {
    const float* w = weight + tap * channels;
    const float* x = inputs[tap];
    for (int64_t c = 0; c < channels; ++c) y[c] += w[c] * x[c];
  }
  multiply_sigmoid(y, y, channels);
}

}  // namespace punie::kernels
