#pragma once
// The loops of float_quantize.h, for the compiler to make vectors of: compiled once for each instruction set. All of it
// has internal linkage.

#include <algorithm>
#include <cmath>

#include "float_codes.h"
#include "float_quantize.h"

namespace punie::kernels {
namespace {

constexpr std::int64_t most_values = 64;

template <FloatType type>
struct Stored {
  using Word = std::uint16_t;
  /// Bits of a float32 that the type has not.
  static constexpr std::uint32_t dropped = type == FloatType::bf16 ? 16 : 13;
};
template <>
struct Stored<FloatType::f32> {
  using Word = std::uint32_t;
};

/// Without branches, for finite values.
template <FloatType type>
inline float widened(typename Stored<type>::Word word) {
  if constexpr (type == FloatType::f32) return std::bit_cast<float>(word);
  if constexpr (type == FloatType::bf16) return std::bit_cast<float>(std::uint32_t{word} << 16);
  // The exponent's bias is 112 less, for subnormals too; the product is exact.
  const auto magnitude = std::bit_cast<float>((std::uint32_t{word} & 0x7fffu) << 13) * 0x1p112f;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | (std::uint32_t{word} & 0x8000u) << 16);
}

/// To the type's significant bits, to even. Its subnormals are not coarser here: they are all far below the smallest
/// number that a code tells from zero.
template <FloatType type>
inline float rounded(float value) {
  if constexpr (type == FloatType::f32) {
    return value;
  } else {
    constexpr auto dropped = Stored<type>::dropped;
    constexpr std::uint32_t below_half = (std::uint32_t{1} << (dropped - 1)) - 1;
    const auto bits = std::bit_cast<std::uint32_t>(value);
    return std::bit_cast<float>((bits + below_half + (bits >> dropped & 1)) >> dropped << dropped);
  }
}

template <FloatType type>
void quotients_of(const typename Stored<type>::Word* words, std::int64_t count, float divisor, float* quotients) {
  for (std::int64_t i = 0; i < count; ++i) quotients[i] = rounded<type>(widened<type>(words[i]) / divisor);
}

/// The first of sixteen at the least distance, as float32 has it.
inline std::uint8_t first_nearest(float quotient) {
  std::uint8_t best = 0;
  float least = std::fabs(quotient - e2m1_to_float(0));
  for (std::uint8_t code = 1; code < 16; ++code) {
    const float distance = std::fabs(quotient - e2m1_to_float(code));
    if (distance < least) best = code, least = distance;
  }
  return best;
}

/// Two codes of a byte each to one byte, `count` of them.
inline void pack_pairs(const std::uint8_t* codes, std::int64_t count, std::uint8_t* bytes) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto pair = load_unaligned<std::uint16_t>(codes + 2 * i);
    bytes[i] = static_cast<std::uint8_t>(pair | pair >> 4);
  }
}

inline void e2m1_group(const float* quotients, std::int64_t count, std::uint8_t* bytes) {
  std::uint8_t codes[most_values];
  std::uint32_t large = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const float size = std::fabs(quotients[i]);
    // What lies halfway goes to the lower code, which is the first; up to here the distances are told apart.
    const std::uint32_t code = std::uint32_t{size > 0.25f} + std::uint32_t{size > 0.75f} + std::uint32_t{size > 1.25f} +
                               std::uint32_t{size > 1.75f} + std::uint32_t{size > 2.5f} + std::uint32_t{size > 3.5f} +
                               std::uint32_t{size > 5.0f};
    large |= std::uint32_t{!(size <= 8.0f)};
    const std::uint32_t sign = std::bit_cast<std::uint32_t>(quotients[i]) >> 28 & 8u;
    codes[i] = static_cast<std::uint8_t>(code | (code == 0 ? 0u : sign));
  }
  if (large != 0) {
    for (std::int64_t i = 0; i < count; ++i) codes[i] = first_nearest(quotients[i]);
  }
  pack_pairs(codes, count / 2, bytes);
}

inline void e4m3_group(const float* quotients, std::int64_t count, std::uint8_t* bytes) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(quotients[i]);
    const std::uint32_t size = bits & 0x7fffffffu;
    // A bias of 7 in place of 127, and 3 bits of fraction in place of 23.
    const std::uint32_t normal = ((size + 0x7ffffu + (size >> 20 & 1)) >> 20) - (120u << 3);
    // Float32's steps at 2^14 are 2^-9, those of E4M3 below 2^-6.
    const std::uint32_t subnormal =
        std::bit_cast<std::uint32_t>(std::bit_cast<float>(size) + 0x1p14f) - std::bit_cast<std::uint32_t>(0x1p14f);
    const std::uint32_t code = size < std::bit_cast<std::uint32_t>(0x1p-6f) ? subnormal : std::min(normal, 0x7eu);
    bytes[i] = static_cast<std::uint8_t>(code | (bits >> 24 & 0x80u));
  }
}

template <FloatType type>
void magnitudes_of(const FloatGroups& groups, void* magnitudes) {
  using Word = typename Stored<type>::Word;
  const auto* words = static_cast<const Word*>(groups.values);
  constexpr auto sign = static_cast<Word>(Word{1} << (8 * sizeof(Word) - 1));
  for (std::int64_t g = 0; g < groups.groups; ++g, words += groups.group_size) {
    Word largest = 0;
    for (std::int64_t i = 0; i < groups.group_size; ++i) {
      largest = std::max(largest, static_cast<Word>(words[i] & static_cast<Word>(~sign)));
    }
    static_cast<Word*>(magnitudes)[g] = largest;
  }
}

/// `one_group` writes the codes of a group's quotients, of `bits` bits each.
template <FloatType type>
void codes_of(const FloatGroups& groups, const float* divisors, std::int64_t bits, std::uint8_t* codes,
              void (*one_group)(const float*, std::int64_t, std::uint8_t*)) {
  const auto* words = static_cast<const typename Stored<type>::Word*>(groups.values);
  float quotients[most_values];
  for (std::int64_t g = 0; g < groups.groups; ++g) {
    quotients_of<type>(words + g * groups.group_size, groups.group_size, divisors[g], quotients);
    one_group(quotients, groups.group_size, codes + g * groups.group_size * bits / 8);
  }
}

inline void write_magnitudes(const FloatGroups& groups, void* magnitudes) {
  switch (groups.type) {
    case FloatType::f32:
      return magnitudes_of<FloatType::f32>(groups, magnitudes);
    case FloatType::f16:
      return magnitudes_of<FloatType::f16>(groups, magnitudes);
    default:
      return magnitudes_of<FloatType::bf16>(groups, magnitudes);
  }
}

inline void write_codes(const FloatGroups& groups, const float* divisors, std::int64_t bits, std::uint8_t* codes) {
  const auto one_group = bits == 4 ? e2m1_group : e4m3_group;
  switch (groups.type) {
    case FloatType::f32:
      return codes_of<FloatType::f32>(groups, divisors, bits, codes, one_group);
    case FloatType::f16:
      return codes_of<FloatType::f16>(groups, divisors, bits, codes, one_group);
    default:
      return codes_of<FloatType::bf16>(groups, divisors, bits, codes, one_group);
  }
}

}  // namespace

void group_magnitudes_avx2(const FloatGroups& groups, void* magnitudes);
void small_float_codes_avx2(const FloatGroups& groups, const float* divisors, std::int64_t bits, std::uint8_t* codes);

}  // namespace punie::kernels
