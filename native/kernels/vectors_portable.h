#pragma once
// The vector operations of the kernels' templates for any processor, over the vectors of 16 bytes that GCC and Clang
// have operators for. Of x86-64 it uses what every one has.

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "float_codes.h"
#include "float_type.h"

namespace punie::kernels {
namespace {

/// a * b + c, rounded once, as `std::fma` has it: without the instruction that is a slow call. The product is exact in
/// double precision; the sum is rounded to odd, after which rounding it to float is the only one (S. Boldo and
/// G. Melquiond, Emulation of FMA and correctly rounded sums, IEEE Transactions on Computers 57, 2008).
static inline float fma_rounded_once(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__)
  return std::fma(a, b, c);
#else
  const double product = double{a} * double{b}, addend = c;
  const double sum = product + addend;
  // What the sum's rounding left out (D. Knuth, The Art of Computer Programming, volume 2, 4.2.2).
  const double of_addend = sum - product;
  const double rest = (product - (sum - of_addend)) + (addend - of_addend);
  auto bits = std::bit_cast<uint64_t>(sum);
  const bool inexact = rest > 0 || rest < 0;
  if (inexact && (bits & 1) == 0) bits += (rest > 0) == (sum > 0) ? 1 : ~uint64_t{0};
  return static_cast<float>(std::bit_cast<double>(bits));
#endif
}

struct Portable {
  static constexpr int lanes = 8;
  static constexpr int most_inputs = 4;
  /// Without a cheap transposition of sums, an input alone takes the way of many.
  static constexpr bool alone = false;
  /// Inputs that are multiplied by bytes.
  static constexpr int most_bytes = 0;
  /// Queries whose sums over two vectors stay in registers; 0: attention takes one vector at a time.
  static constexpr int most_paired = 0;
  static constexpr int crossed_inputs = 0;
  static constexpr int least_crossed = 0;

  typedef uint32_t Words __attribute__((vector_size(16)));
  typedef int32_t SignedWords __attribute__((vector_size(16)));
  typedef float Reals __attribute__((vector_size(16)));
  static constexpr int parts = lanes / 4;

  struct Ints {
    Words at[parts];
  };
  struct Floats {
    Reals at[parts];
  };
  /// From what `of_part` says of each part, or `of_lane` of each lane.
  template <class Vector, class Function>
  static Vector make(Function of_part) {
    Vector v;
    for (int part = 0; part < parts; ++part) v.at[part] = of_part(part);
    return v;
  }
  template <class Vector, class Lane, class Function>
  static Vector make_lanes(Function of_lane) {
    Lane values[lanes];
    for (int i = 0; i < lanes; ++i) values[i] = of_lane(i);
    return std::bit_cast<Vector>(values);
  }
  template <class Function>
  static Floats make_floats(Function of_lane) {
    return make_lanes<Floats, float>(of_lane);
  }
  struct Lanes {
    float at[lanes];
  };
  static Lanes lanes_of(Floats v) { return std::bit_cast<Lanes>(v); }

  static Ints zero_ints() { return {}; }
  static Ints load_ints(const uint32_t* from) {
    Ints v;
    std::memcpy(&v, from, sizeof v);
    return v;
  }
  static void store_ints(uint32_t* to, Ints v) { std::memcpy(to, &v, sizeof v); }
  static void keep(Ints&) {}
  template <int shift, int bits>
  static Ints field(Ints v) {
    return make<Ints>([&](int p) { return v.at[p] >> shift & ((1u << bits) - 1) * 0x10001u; });
  }
  static Ints add_dot(Ints sum, Ints w, Ints x) {
    return make<Ints>([&](int p) {
#if defined(__SSE2__)
      const auto dot = _mm_madd_epi16(std::bit_cast<__m128i>(w.at[p]), std::bit_cast<__m128i>(x.at[p]));
      return sum.at[p] + std::bit_cast<Words>(dot);
#else
      const auto low = [](Words v) { return std::bit_cast<SignedWords>(v << 16) >> 16; };
      const auto high = [](Words v) { return std::bit_cast<SignedWords>(v) >> 16; };
      const SignedWords dot = low(w.at[p]) * low(x.at[p]) + high(w.at[p]) * high(x.at[p]);
      return sum.at[p] + std::bit_cast<Words>(dot);
#endif
    });
  }
  static Ints weights_of(Ints pairs) { return pairs; }
  static Ints broadcast_pair(const int32_t* pair) {
    const auto both = static_cast<uint32_t>(*pair);
    return make<Ints>([&](int) { return Words{both, both, both, both}; });
  }
  static Ints add(Ints a, Ints b) {
    return make<Ints>([&](int p) { return a.at[p] + b.at[p]; });
  }

  static Floats zero() { return {}; }
  static Floats set(float value) {
    return make<Floats>([&](int) { return Reals{value, value, value, value}; });
  }
  static Floats load(const float* from) {
    Floats v;
    std::memcpy(&v, from, sizeof v);
    return v;
  }
  static void store(float* to, Floats v) { std::memcpy(to, &v, sizeof v); }
  static Floats load_some(const float* from, int64_t count) {
    return make_floats([&](int i) { return i < count ? from[i] : 0; });
  }
  static void store_some(float* to, Floats v, int64_t count) {
    const Lanes values = lanes_of(v);
    for (int i = 0; i < lanes && i < count; ++i) to[i] = values.at[i];
  }
  static Floats to_floats(Ints v) {
    return make<Floats>([&](int p) { return __builtin_convertvector(std::bit_cast<SignedWords>(v.at[p]), Reals); });
  }
  static Ints as_ints(Floats v) { return std::bit_cast<Ints>(v); }
  static Floats multiply(Floats a, Floats b) {
    return make<Floats>([&](int p) { return a.at[p] * b.at[p]; });
  }
  static Floats add(Floats a, Floats b) {
    return make<Floats>([&](int p) { return a.at[p] + b.at[p]; });
  }
  static Floats subtract(Floats a, Floats b) {
    return make<Floats>([&](int p) { return a.at[p] - b.at[p]; });
  }
  static Floats max(Floats a, Floats b) {
    return make<Floats>([&](int p) { return a.at[p] > b.at[p] ? a.at[p] : b.at[p]; });
  }
  static float largest_lane(Floats v) {
    const Lanes values = lanes_of(v);
    float most = values.at[0];
    for (const float x : values.at) most = x > most ? x : most;
    return most;
  }
  static float sum_lanes(Floats v) {
    Lanes values = lanes_of(v);
    for (int width = lanes / 2; width > 0; width /= 2)
      for (int i = 0; i < width; ++i) values.at[i] += values.at[i + width];
    return values.at[0];
  }
  static float first_lane(Floats v) { return lanes_of(v).at[0]; }
  static Floats load_shorts(const int16_t* from) {
    return make_floats([&](int i) { return static_cast<float>(from[i]); });
  }
  static Floats exp(Floats x) {
    const Lanes values = lanes_of(x);
    return make_floats([&](int i) { return std::exp(values.at[i]); });
  }
  static Floats fma(Floats a, Floats b, Floats c) {
    const Lanes x = lanes_of(a), y = lanes_of(b), z = lanes_of(c);
    return make_floats([&](int i) { return fma_rounded_once(x.at[i], y.at[i], z.at[i]); });
  }

  // What reads value by value is kept out of the loops that compilers unroll: those take minutes else.
  template <int bits>
  [[gnu::noinline]] static Ints load_words(const char* from, int64_t count, const char* /*end*/) {
    return make_lanes<Ints, uint32_t>([&](int i) -> uint32_t {
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
  [[gnu::noinline]] static Floats load_stored(const char* from, int64_t count, const char* /*end*/) {
    return make_floats([&](int i) { return i < count ? load_float(from, type, i) : 0; });
  }
  [[gnu::noinline]] static Floats load_e8m0(const char* from, int64_t count, const char* /*end*/) {
    return make_floats([&](int i) { return i < count ? e8m0_to_float(static_cast<uint8_t>(from[i])) : 0; });
  }
  [[gnu::noinline]] static Floats load_e4m3(const char* from, int64_t count, const char* /*end*/) {
    return make_floats([&](int i) { return i < count ? e4m3_to_float(static_cast<uint8_t>(from[i])) : 0; });
  }

  class E2m1Word {
   public:
    explicit E2m1Word(Ints word) : word_(word) {}
    template <int k>
    Ints pair() const {
      return make<Ints>(
          [&](int p) { return value(word_.at[p] >> (4 * k)) | value(word_.at[p] >> (4 * k + 16)) << 16; });
    }

   private:
    /// As e2m1_halves has it; 16 bits.
    static Words value(Words code) {
      const Words low = code & 3, high = code >> 2 & 1, sign = code >> 3 & 1;
      const Words size = (code & 7) + high * (low + ((low & low >> 1) << 1));
      return ((size ^ -sign) + sign) & 0xffff;
    }
    Ints word_;
  };

  class E4m3Word {
   public:
    explicit E4m3Word(Ints word) : word_(word) {}
    template <int k, int part>
    Ints pair() const {
      return make<Ints>(
          [&](int p) { return value<part>(word_.at[p] >> (8 * k)) | value<part>(word_.at[p] >> (8 * k + 16)) << 16; });
    }

   private:
    template <int part>
    static Words value(Words code) {
      const Words exponent = code >> 3 & 15, sign = code >> 7 & 1;
      // Where there is no hidden bit, the exponent is that of 1.
      const Words normal = std::bit_cast<Words>(exponent > 0) & 1;
      const Words fraction = (code & 7) | normal << 3, shift = exponent - normal;
      const Words of_part = std::bit_cast<Words>(part == 1 ? shift >= 8 : shift < 8);
      const Words size = fraction << (shift & 7) & of_part;
      return ((size ^ -sign) + sign) & 0xffff;
    }
    Ints word_;
  };

  [[gnu::noinline]] static void transpose(const Ints (&v)[lanes], int64_t count, uint32_t* to) {
    uint32_t rows[lanes][lanes];
    std::memcpy(rows, v, sizeof rows);
    for (int64_t column = 0; column < count; ++column)
      for (int row = 0; row < lanes; ++row) to[column * lanes + row] = rows[row][column];
  }

  static void prefetch(const char*) {}
};

}  // namespace
}  // namespace punie::kernels
