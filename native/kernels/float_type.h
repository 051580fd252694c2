#pragma once
// The float formats of a checkpoint's tensors and how one value of them is read. Every function is `static`: these
// are compiled into files with different instruction sets, and the linker must not share one copy between them.

#include <bit>
#include <cstdint>
#include <cstring>

namespace punie::kernels {

static_assert(std::endian::native == std::endian::little, "weight files are read in place: little-endian only");

enum class FloatType { f32, f16, bf16 };

static inline int64_t float_bytes(FloatType type) { return type == FloatType::f32 ? 4 : 2; }

template <class T>
static inline T load_unaligned(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

static inline float bf16_to_float(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

static inline float f16_to_float(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  const uint32_t magnitude = bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  if (magnitude >= 0x0400u) return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000u));
  const float subnormal = static_cast<float>(magnitude) * 0x1p-24f;
  return sign ? -subnormal : subnormal;
}

/// Value `index` of an array of `type` that starts at any address.
static inline float load_float(const void* array, FloatType type, int64_t index) {
  const char* at = static_cast<const char*>(array) + index * float_bytes(type);
  switch (type) {
    case FloatType::f32:
      return load_unaligned<float>(at);
    case FloatType::f16:
      return f16_to_float(load_unaligned<uint16_t>(at));
    default:
      return bf16_to_float(load_unaligned<uint16_t>(at));
  }
}

}  // namespace punie::kernels
