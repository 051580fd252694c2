#pragma once
// The recurrence of a block of columns, which compilers turn into vectors; each instruction set has its own compiled
// form.

#include <algorithm>

#include "gated_delta.h"

namespace punie::kernels {

void gated_delta_portable(const GatedDelta& shape, const GatedDeltaInputs& inputs, int64_t head, int64_t block,
                          const float* state, float* next, float* y);
#if defined(__x86_64__)
void gated_delta_avx2(const GatedDelta& shape, const GatedDeltaInputs& inputs, int64_t head, int64_t block,
                      const float* state, float* next, float* y);
void gated_delta_avx512(const GatedDelta& shape, const GatedDeltaInputs& inputs, int64_t head, int64_t block,
                        const float* state, float* next, float* y);
#endif

namespace {

inline void gated_delta_block(const GatedDelta& shape, const GatedDeltaInputs& inputs, int64_t head, int64_t block,
                              const float* state, float* next, float* y) {
  constexpr int64_t lanes = GatedDelta::block_values;
  const int64_t key_head = head / (shape.value_heads / shape.key_heads);
  const int64_t first_value = head * shape.value_dim + block * lanes;
  const int64_t values = std::min(lanes, shape.value_dim - block * lanes);
  const int64_t at = (head * shape.blocks() + block) * shape.key_dim * lanes;
  // Worked on where it will lie: one compiled form for every token, whatever came before it in the same call.
  float* s = next + at;
  if (next != state) std::copy_n(state + at, shape.key_dim * lanes, s);
  for (int64_t row = 0; row < inputs.rows; ++row) {
    const float* q = inputs.q + row * inputs.stride + key_head * shape.key_dim;
    const float* k = inputs.k + row * inputs.stride + key_head * shape.key_dim;
    const float* v = inputs.v + row * inputs.stride + first_value;
    const float decay = inputs.decay[row * shape.value_heads + head];
    const float strength = inputs.strength[row * shape.value_heads + head];
    float known[lanes] = {}, change[lanes] = {}, sum[lanes] = {};
    for (int64_t d = 0; d < shape.key_dim; ++d) {
      const float key = k[d];
      for (int64_t i = 0; i < lanes; ++i) {
        const float decayed = s[d * lanes + i] * decay;
        known[i] += decayed * key;
        s[d * lanes + i] = decayed;
      }
    }
    for (int64_t i = 0; i < values; ++i) change[i] = (v[i] - known[i]) * strength;
    for (int64_t d = 0; d < shape.key_dim; ++d) {
      const float key = k[d], query = q[d];
      for (int64_t i = 0; i < lanes; ++i) {
        const float now = s[d * lanes + i] + key * change[i];
        sum[i] += now * query;
        s[d * lanes + i] = now;
      }
    }
    float* out = y + row * shape.value_heads * shape.value_dim + first_value;
    for (int64_t i = 0; i < values; ++i) out[i] = sum[i];
  }
}

}  // namespace
}  // namespace punie::kernels
