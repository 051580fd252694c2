#pragma once
// The vector operations of the kernels' templates in plain C++, as loops that compilers turn into vectors.

#include <cmath>
#include <cstdint>
#include <cstring>

#include "float_codes.h"
#include "float_type.h"

namespace punie::kernels {
namespace {

struct Portable {
  static constexpr int lanes = 16;
  static constexpr int most_inputs = 4;
  /// Without a cheap transposition of sums, an input alone takes the way of many.
  static constexpr bool alone = false;
  /// Inputs that are multiplied by bytes.
  static constexpr int most_bytes = 0;
  static constexpr bool crosses = false;

  struct Ints {
    uint32_t at[lanes];
  };
  struct Floats {
    float at[lanes];
  };
  template <class Function>
  static Ints make_ints(Function of_lane) {
    Ints v;
    for (int i = 0; i < lanes; ++i) v.at[i] = of_lane(i);
    return v;
  }
  template <class Function>
  static Floats make_floats(Function of_lane) {
    Floats v;
    for (int i = 0; i < lanes; ++i) v.at[i] = of_lane(i);
    return v;
  }

  static Ints zero_ints() { return {}; }
  static Ints load_ints(const uint32_t* from) {
    return make_ints([&](int i) { return from[i]; });
  }
  static void store_ints(uint32_t* to, Ints v) { std::memcpy(to, v.at, sizeof v.at); }
  static void keep(Ints&) {}
  template <int shift, int bits>
  static Ints field(Ints v) {
    constexpr uint32_t mask = ((1u << bits) - 1) * 0x10001u;
    return make_ints([&](int i) { return v.at[i] >> shift & mask; });
  }
  static Ints add_dot(Ints sum, Ints w, Ints x) {
    return make_ints([&](int i) {
      const int32_t low = static_cast<int16_t>(w.at[i]) * static_cast<int16_t>(x.at[i]);
      const int32_t high = static_cast<int16_t>(w.at[i] >> 16) * static_cast<int16_t>(x.at[i] >> 16);
      return sum.at[i] + static_cast<uint32_t>(low + high);
    });
  }
  static Ints weights_of(Ints pairs) { return pairs; }
  static Ints broadcast_pair(const int32_t* pair) {
    return make_ints([&](int) { return static_cast<uint32_t>(*pair); });
  }
  static Ints add(Ints a, Ints b) {
    return make_ints([&](int i) { return a.at[i] + b.at[i]; });
  }

  static Floats zero() { return {}; }
  static Floats set(float value) {
    return make_floats([&](int) { return value; });
  }
  static Floats load(const float* from) {
    return make_floats([&](int i) { return from[i]; });
  }
  static void store(float* to, Floats v) { std::memcpy(to, v.at, sizeof v.at); }
  static Floats load_some(const float* from, int64_t count) {
    return make_floats([&](int i) { return i < count ? from[i] : 0; });
  }
  static void store_some(float* to, Floats v, int64_t count) {
    for (int i = 0; i < lanes && i < count; ++i) to[i] = v.at[i];
  }
  static Floats to_floats(Ints v) {
    return make_floats([&](int i) { return static_cast<float>(static_cast<int32_t>(v.at[i])); });
  }
  static Ints as_ints(Floats v) {
    return make_ints([&](int i) { return std::bit_cast<uint32_t>(v.at[i]); });
  }
  static Floats multiply(Floats a, Floats b) {
    return make_floats([&](int i) { return a.at[i] * b.at[i]; });
  }
  static Floats add(Floats a, Floats b) {
    return make_floats([&](int i) { return a.at[i] + b.at[i]; });
  }
  static Floats subtract(Floats a, Floats b) {
    return make_floats([&](int i) { return a.at[i] - b.at[i]; });
  }
  static Floats max(Floats a, Floats b) {
    return make_floats([&](int i) { return a.at[i] > b.at[i] ? a.at[i] : b.at[i]; });
  }
  static float largest_lane(Floats v) {
    float most = v.at[0];
    for (const float x : v.at) most = x > most ? x : most;
    return most;
  }
  static float sum_lanes(Floats v) {
    for (int width = lanes / 2; width > 0; width /= 2)
      for (int i = 0; i < width; ++i) v.at[i] += v.at[i + width];
    return v.at[0];
  }
  static float first_lane(Floats v) { return v.at[0]; }
  static Floats load_shorts(const int16_t* from) {
    return make_floats([&](int i) { return static_cast<float>(from[i]); });
  }
  static Floats exp(Floats x) {
    return make_floats([&](int i) { return std::exp(x.at[i]); });
  }
  static Floats fma(Floats a, Floats b, Floats c) {
    return make_floats([&](int i) { return std::fma(a.at[i], b.at[i], c.at[i]); });
  }

  template <int bits>
  static Ints load_words(const char* from, int64_t count, const char* /*end*/) {
    return make_ints([&](int i) -> uint32_t {
      if (i >= count) return 0;
      if constexpr (bits == 4 || bits == 8) return load_unaligned<uint32_t>(from + 4 * i);
      uint32_t word = 0;
      for (int value = 0; value < 4; ++value) {
        const int first = (4 * i + value) * bits;
        const auto low = static_cast<uint8_t>(from[first / 8]);
        const auto high = static_cast<uint8_t>(from[(first + bits - 1) / 8]);
        const uint32_t both = low | uint32_t{high} << 8;
        word |= (both >> first % 8 & ((1u << bits) - 1)) << (8 * value);
      }
      return word;
    });
  }
  template <FloatType type>
  static Floats load_stored(const char* from, int64_t count, const char* /*end*/) {
    return make_floats([&](int i) { return i < count ? load_float(from, type, i) : 0; });
  }
  static Floats load_e8m0(const char* from, int64_t count, const char* /*end*/) {
    return make_floats([&](int i) { return i < count ? e8m0_to_float(static_cast<uint8_t>(from[i])) : 0; });
  }
  static Floats load_e4m3(const char* from, int64_t count, const char* /*end*/) {
    return make_floats([&](int i) { return i < count ? e4m3_to_float(static_cast<uint8_t>(from[i])) : 0; });
  }

  class E2m1Word {
   public:
    explicit E2m1Word(Ints word) : word_(word) {}
    template <int k>
    Ints pair() const {
      return make_ints([&](int i) { return value(word_.at[i] >> (4 * k)) | value(word_.at[i] >> (4 * k + 16)) << 16; });
    }

   private:
    /// As e2m1_halves has it, in steps that compilers turn into vectors; 16 bits.
    static uint32_t value(uint32_t code) {
      const uint32_t low = code & 3, high = code >> 2 & 1, sign = code >> 3 & 1;
      const uint32_t size = (code & 7) + high * (low + ((low & low >> 1) << 1));
      return ((size ^ (0 - sign)) + sign) & 0xffff;
    }
    Ints word_;
  };

  class E4m3Word {
   public:
    explicit E4m3Word(Ints word) : word_(word) {}
    template <int k, int part>
    Ints pair() const {
      return make_ints(
          [&](int i) { return value<part>(word_.at[i] >> (8 * k)) | value<part>(word_.at[i] >> (8 * k + 16)) << 16; });
    }

   private:
    template <int part>
    static uint32_t value(uint32_t code) {
      const uint32_t exponent = code >> 3 & 15, sign = code >> 7 & 1;
      const uint32_t shift = exponent > 0 ? exponent - 1 : 0;
      const uint32_t fraction = exponent > 0 ? (code & 7) | 8 : code & 7;
      const bool here = (shift >= 8) == (part == 1);
      const uint32_t size = here ? fraction << (shift & 7) : 0;
      return ((size ^ (0 - sign)) + sign) & 0xffff;
    }
    Ints word_;
  };

  static void transpose(const Ints (&v)[lanes], int64_t count, uint32_t* to) {
    for (int64_t column = 0; column < count; ++column)
      for (int row = 0; row < lanes; ++row) to[column * lanes + row] = v[row].at[column];
  }

  static void prefetch(const char*) {}
};

}  // namespace
}  // namespace punie::kernels
