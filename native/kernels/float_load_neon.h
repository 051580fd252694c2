#pragma once
// Stored floats to pairs of vectors, and exp. Internal linkage, for NEON files only.

#include <arm_neon.h>

#include "float_type.h"

namespace punie::kernels {
namespace {

/// Eight floats.
struct NeonFloats {
  float32x4_t low, high;
};

template <FloatType type>
inline NeonFloats load_eight(const char* from) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(from);  // which may begin at any address
  if constexpr (type == FloatType::f32) {
    return {vreinterpretq_f32_u8(vld1q_u8(bytes)), vreinterpretq_f32_u8(vld1q_u8(bytes + 16))};
  } else {
    const uint16x8_t halves = vreinterpretq_u16_u8(vld1q_u8(bytes));
    if constexpr (type == FloatType::f16) {
      const float16x8_t values = vreinterpretq_f16_u16(halves);
      return {vcvt_f32_f16(vget_low_f16(values)), vcvt_high_f32_f16(values)};
    }
    return {vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(halves), 16)),
            vreinterpretq_f32_u32(vshll_n_u16(vget_high_u16(halves), 16))};
  }
}

/// The first `count` of eight values and zeros; reads no byte past them.
template <FloatType type>
inline NeonFloats load_some(const char* from, int64_t count) {
  char bytes[32] = {};
  std::memcpy(bytes, from, static_cast<size_t>(count * float_bytes(type)));
  return load_eight<type>(bytes);
}

/// exp(x), within 2 units in the last place; 0 below -87.3, infinity above 88.7, NaN for NaN. As exp_avx2.h has it.
inline float32x4_t exp_lanes(float32x4_t x) {
  const uint32x4_t too_low = vcltq_f32(x, vdupq_n_f32(-87.336544f));
  const float32x4_t bounded = vmaxq_f32(vdupq_n_f32(-88.0f), vminq_f32(vdupq_n_f32(89.0f), x));
  const float32x4_t k = vrndnq_f32(vmulq_f32(bounded, vdupq_n_f32(1.44269504f)));
  float32x4_t r = vfmsq_f32(bounded, k, vdupq_n_f32(0.693359375f));
  r = vfmsq_f32(r, k, vdupq_n_f32(-2.12194440e-4f));
  float32x4_t sum = vdupq_n_f32(1.0f / 5040);
  sum = vfmaq_f32(vdupq_n_f32(1.0f / 720), sum, r);
  sum = vfmaq_f32(vdupq_n_f32(1.0f / 120), sum, r);
  sum = vfmaq_f32(vdupq_n_f32(1.0f / 24), sum, r);
  sum = vfmaq_f32(vdupq_n_f32(1.0f / 6), sum, r);
  sum = vfmaq_f32(vdupq_n_f32(0.5f), sum, r);
  sum = vfmaq_f32(vdupq_n_f32(1.0f), sum, r);
  sum = vfmaq_f32(vdupq_n_f32(1.0f), sum, r);
  const int32x4_t power = vcvtq_s32_f32(k);
  const int32x4_t half = vshrq_n_s32(power, 1);
  const auto two_to = [](int32x4_t e) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(e, vdupq_n_s32(127)), 23));
  };
  const float32x4_t result = vmulq_f32(vmulq_f32(sum, two_to(half)), two_to(vsubq_s32(power, half)));
  return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(result), too_low));
}

}  // namespace
}  // namespace punie::kernels
