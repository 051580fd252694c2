#pragma once
// The small floats of the OCP microscaling formats and of NVIDIA's FP4, by their bits. Every function is `static`, as
// in float_type.h.
//
// | code | bits                        | values                                                      |
// |------|-----------------------------|-------------------------------------------------------------|
// | E2M1 | sign, 2 exponent, 1 fraction| ±{0 0.5 1 1.5 2 3 4 6}                                      |
// | E4M3 | sign, 4 exponent, 3 fraction| up to ±448 in steps of 2^-9 or coarser; 0x7f and 0xff: NaN  |
// | E8M0 | 8 exponent                  | 2^(b - 127); 255: infinity here as in MLX, NaN in the standard |

#include <bit>
#include <cmath>
#include <cstdint>

namespace punie::kernels {

/// Twice the value of each E2M1 code: whole numbers.
alignas(16) inline constexpr int8_t e2m1_halves[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static inline float e2m1_to_float(uint8_t code) { return 0.5f * static_cast<float>(e2m1_halves[code & 15]); }

static inline float e4m3_to_float(uint8_t code) {
  const uint32_t magnitude = code & 0x7f;
  if (magnitude == 0x7f) return std::bit_cast<float>(0x7fc00000u);
  const float value = magnitude < 8 ? static_cast<float>(magnitude) * 0x1p-9f
                                    : std::bit_cast<float>((magnitude << 20) + (uint32_t{120} << 23));
  return code & 0x80 ? -value : value;
}

static inline float e8m0_to_float(uint8_t code) {
  return std::bit_cast<float>(code == 0 ? 0x00400000u : uint32_t{code} << 23);
}

// An E4M3 value in steps of 2^-9 has up to 18 bits, too many for products of 16 bits with 16. Its fraction has but
// four, so that either its high part or its low part is zero: value * 2^9 = low + 256 * high.

/// Factors of the fraction, by exponent: `low` where the value has a low part, else `high`.
inline constexpr uint8_t e4m3_low_factors[16] = {1, 1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0};
inline constexpr uint8_t e4m3_high_factors[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64};
inline constexpr float e4m3_high_step = 256;

}  // namespace punie::kernels
