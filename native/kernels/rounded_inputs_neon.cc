#include <arm_neon.h>

#include "rounded_inputs.h"

namespace punie::kernels {

float round_unit_neon(const float* x, int64_t unit, PairOrder pair_order, int32_t* pairs, int32_t& sum) {
  float32x4_t largest = vdupq_n_f32(0);
  float32x4_t checks = vdupq_n_f32(0);
  for (int64_t i = 0; i < unit; i += 4) {
    const float32x4_t v = vabsq_f32(vld1q_f32(x + i));
    largest = vmaxq_f32(largest, v);
    checks = vaddq_f32(checks, vsubq_f32(v, v));  // zero, or NaN where v is not finite
  }
  const float magnitude = vmaxvq_f32(largest);
  const bool finite = vaddvq_f32(checks) == 0;
  const float32x4_t factor = vdupq_n_f32(magnitude > 0 && finite ? largest_rounded / magnitude : 0.0f);

  // 16-bit values of a word's columns to pairs: 0 4 1 5 2 6 3 7 of eight, 0 2 1 3 of four.
  static constexpr uint8_t orders[3][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                            {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15},
                                            {0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15}};
  const uint8x16_t order = vld1q_u8(orders[pair_order == PairOrder::nibbles ? 1
                                           : pair_order == PairOrder::bytes ? 2
                                                                            : 0]);
  int32x4_t sums = vdupq_n_s32(0);
  for (int64_t i = 0; i < unit; i += 8) {
    const int32x4_t low = vcvtnq_s32_f32(vmulq_f32(vld1q_f32(x + i), factor));
    const int32x4_t high = vcvtnq_s32_f32(vmulq_f32(vld1q_f32(x + i + 4), factor));
    sums = vaddq_s32(sums, vaddq_s32(low, high));
    const int16x8_t values = vqmovn_high_s32(vqmovn_s32(low), high);
    vst1q_s32(pairs + i / 2, vreinterpretq_s32_u8(vqtbl1q_u8(vreinterpretq_u8_s16(values), order)));
  }
  sum = finite ? vaddvq_s32(sums) : 0;
  return magnitude / largest_rounded + (finite ? 0.0f : __builtin_nanf(""));
}

}  // namespace punie::kernels
