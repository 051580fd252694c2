#include "float_quantize.h"

#include "cpu_features.h"
#include "float_quantize_range.h"

namespace punie::kernels {

namespace {

void small_float_codes(const FloatGroups& groups, const float* divisors, std::int64_t bits, std::uint8_t* codes) {
#if defined(__x86_64__)
  if (use_avx2()) return small_float_codes_avx2(groups, divisors, bits, codes);
#endif
  write_codes(groups, divisors, bits, codes);
}

}  // namespace

void group_magnitudes(const FloatGroups& groups, void* magnitudes) {
#if defined(__x86_64__)
  if (use_avx2()) return group_magnitudes_avx2(groups, magnitudes);
#endif
  write_magnitudes(groups, magnitudes);
}

void e2m1_codes(const FloatGroups& groups, const float* divisors, std::uint8_t* codes) {
  small_float_codes(groups, divisors, 4, codes);
}

void e4m3_codes(const FloatGroups& groups, const float* divisors, std::uint8_t* codes) {
  small_float_codes(groups, divisors, 8, codes);
}

}  // namespace punie::kernels
