#pragma once
// Values to the small floats of float_codes.h: bit for bit what mlx.core.quantize 0.32.4 makes of them on the CPU in
// its modes mxfp4, mxfp8 and nvfp4, given what it divides each group by. MLX compares every value with all sixteen of
// E2M1, which takes a hundred times longer.

#include <cstdint>

#include "float_type.h"

namespace punie::kernels {

/// Values in groups that share a divisor. They must be finite.
struct FloatGroups {
  const void* values;
  FloatType type;
  std::int64_t groups;
  /// A multiple of 2, at most 64.
  std::int64_t group_size;
};

/// Of each group the largest magnitude, in the values' own type. Values that are not finite come out as the largest.
void group_magnitudes(const FloatGroups& groups, void* magnitudes);

/// The quotient, rounded to the values' type, to the nearest E2M1 value; of two as near, to the smaller, and what
/// rounds to zero loses its sign. Quotients so large that float32 cannot tell the distances apart, and those that are
/// no numbers, become 0: as in MLX. Two codes a byte, the first in the low half.
void e2m1_codes(const FloatGroups& groups, const float* divisors, std::uint8_t* codes);

/// The quotient, rounded to the values' type, to the nearest E4M3 value; of two as near, to the even one; above 448 to
/// 448. It must be finite. A code a byte.
void e4m3_codes(const FloatGroups& groups, const float* divisors, std::uint8_t* codes);

}  // namespace punie::kernels
