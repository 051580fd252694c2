#pragma once

#include <cstdint>

namespace punie::kernels {

#if defined(__x86_64__)
/// swiglu on one thread with AVX2 and FMA.
void swiglu_avx2(const float* gate, const float* up, int64_t count, float* y);
void multiply_sigmoid_avx2(const float* gate, float* x, int64_t count);
#elif defined(__aarch64__)
/// The same with NEON.
void swiglu_neon(const float* gate, const float* up, int64_t count, float* y);
void multiply_sigmoid_neon(const float* gate, float* x, int64_t count);
#endif

}  // namespace punie::kernels
