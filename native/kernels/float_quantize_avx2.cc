#include "float_quantize_range.h"

namespace punie::kernels {

void group_magnitudes_avx2(const FloatGroups& groups, void* magnitudes) { write_magnitudes(groups, magnitudes); }

void small_float_codes_avx2(const FloatGroups& groups, const float* divisors, std::int64_t bits, std::uint8_t* codes) {
  write_codes(groups, divisors, bits, codes);
}

}  // namespace punie::kernels
