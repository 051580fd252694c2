#pragma once
// Stored floats to vectors. Internal linkage, for AVX2 files only.

#include <immintrin.h>

#include "float_type.h"

namespace punie::kernels {
namespace {

template <FloatType type>
inline __m256 load_eight(const char* from) {
  if constexpr (type == FloatType::f32) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(from));
  } else {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    if constexpr (type == FloatType::f16) return _mm256_cvtph_ps(halves);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }
}

/// The first `count` of eight values and zeros; reads no byte past them.
template <FloatType type>
inline __m256 load_some(const char* from, int64_t count) {
  char bytes[32] = {};
  std::memcpy(bytes, from, static_cast<size_t>(count * float_bytes(type)));
  return load_eight<type>(bytes);
}

}  // namespace
}  // namespace punie::kernels
