#pragma once
// The vector operations of the kernels' templates for 64-bit ARM, with what every one of its processors has. A vector
// is two registers: what is multiplied by all of its lanes is loaded half as often.

#include <arm_neon.h>

#include "float_codes.h"
#include "float_load_neon.h"

namespace punie::kernels {
namespace {

struct Neon {
  static constexpr int lanes = 8;
  static constexpr int most_inputs = 6;
  /// An input alone is multiplied by rows as they lie.
  static constexpr bool alone = true;
  /// Inputs that are multiplied by bytes.
  static constexpr int most_bytes = 0;
  /// Queries whose sums over two vectors stay in registers; 0: attention takes one vector at a time.
  static constexpr int most_paired = 0;
  static constexpr int crossed_inputs = 0;
  static constexpr int least_crossed = 0;

  struct Ints {
    uint32x4_t low, high;
  };
  using Floats = NeonFloats;

  static Ints zero_ints() { return {vdupq_n_u32(0), vdupq_n_u32(0)}; }
  static Ints load_ints(const uint32_t* from) { return {vld1q_u32(from), vld1q_u32(from + 4)}; }
  static Ints load_unaligned_ints(const int32_t* from) { return ints(vld1q_s32(from), vld1q_s32(from + 4)); }
  static void store_ints(uint32_t* to, Ints v) {
    vst1q_u32(to, v.low);
    vst1q_u32(to + 4, v.high);
  }
  static void keep(Ints& v) { asm("" : "+w"(v.low), "+w"(v.high)); }
  template <int shift, int bits>
  static Ints field(Ints v) {
    const auto of = [](uint32x4_t words) {
      uint16x8_t halves = vreinterpretq_u16_u32(words);
      if constexpr (shift > 0) halves = vshrq_n_u16(halves, shift);
      if constexpr (shift + bits < 16) halves = vandq_u16(halves, vdupq_n_u16((1 << bits) - 1));
      return vreinterpretq_u32_u16(halves);
    };
    return {of(v.low), of(v.high)};
  }

  /// The pairs' two values apart: each is multiplied by one lane of an input's pair.
  struct Weights {
    int16x8_t first, second;
  };
  static Weights weights_of(Ints pairs) {
    const int16x8_t low = vreinterpretq_s16_u32(pairs.low), high = vreinterpretq_s16_u32(pairs.high);
    return {vuzp1q_s16(low, high), vuzp2q_s16(low, high)};
  }
  static int16x4_t broadcast_pair(const int32_t* pair) { return vreinterpret_s16_s32(vld1_dup_s32(pair)); }
  static Ints add_dot(Ints sum, Weights w, int16x4_t x) {
    int32x4_t low = vreinterpretq_s32_u32(sum.low), high = vreinterpretq_s32_u32(sum.high);
    low = vmlal_lane_s16(low, vget_low_s16(w.first), x, 0);
    high = vmlal_high_lane_s16(high, w.first, x, 0);
    low = vmlal_lane_s16(low, vget_low_s16(w.second), x, 1);
    high = vmlal_high_lane_s16(high, w.second, x, 1);
    return ints(low, high);
  }
  /// For sum_rows with as many units: a product may be added to another lane of the same unit than its own.
  template <int units>
  static Ints add_row_dot(Ints sum, Ints w, Ints x) {
    const auto add = [](uint32x4_t to, uint32x4_t a, uint32x4_t b) {
      const int32x4_t sums = vreinterpretq_s32_u32(to);
      const int16x8_t u = vreinterpretq_s16_u32(a), v = vreinterpretq_s16_u32(b);
      if constexpr (units == 4) {
        const int32x4_t first = vmull_s16(vget_low_s16(u), vget_low_s16(v));
        return vreinterpretq_u32_s32(vaddq_s32(sums, vpaddq_s32(first, vmull_high_s16(u, v))));
      }
      return vreinterpretq_u32_s32(vmlal_high_s16(vmlal_s16(sums, vget_low_s16(u), vget_low_s16(v)), u, v));
    };
    return {add(sum.low, w.low, x.low), add(sum.high, w.high, x.high)};
  }
  static Ints add(Ints a, Ints b) { return {vaddq_u32(a.low, b.low), vaddq_u32(a.high, b.high)}; }

  static Floats zero() { return set(0); }
  static Floats set(float value) { return {vdupq_n_f32(value), vdupq_n_f32(value)}; }
  static Floats load(const float* from) { return {vld1q_f32(from), vld1q_f32(from + 4)}; }
  static void store(float* to, Floats v) {
    vst1q_f32(to, v.low);
    vst1q_f32(to + 4, v.high);
  }
  static Floats load_some(const float* from, int64_t count) {
    if (count >= lanes) return load(from);
    float values[lanes] = {};
    for (int64_t i = 0; i < count; ++i) values[i] = from[i];
    return load(values);
  }
  static void store_some(float* to, Floats v, int64_t count) {
    if (count >= lanes) return store(to, v);
    float values[lanes];
    store(values, v);
    for (int64_t i = 0; i < count; ++i) to[i] = values[i];
  }
  static Floats to_floats(Ints v) {
    return {vcvtq_f32_s32(vreinterpretq_s32_u32(v.low)), vcvtq_f32_s32(vreinterpretq_s32_u32(v.high))};
  }
  static Ints as_ints(Floats v) { return {vreinterpretq_u32_f32(v.low), vreinterpretq_u32_f32(v.high)}; }
  static Floats multiply(Floats a, Floats b) { return {vmulq_f32(a.low, b.low), vmulq_f32(a.high, b.high)}; }
  static Floats divide(Floats a, Floats b) { return {vdivq_f32(a.low, b.low), vdivq_f32(a.high, b.high)}; }
  static Floats add(Floats a, Floats b) { return {vaddq_f32(a.low, b.low), vaddq_f32(a.high, b.high)}; }
  static Floats subtract(Floats a, Floats b) { return {vsubq_f32(a.low, b.low), vsubq_f32(a.high, b.high)}; }
  static Floats max(Floats a, Floats b) { return {vmaxq_f32(a.low, b.low), vmaxq_f32(a.high, b.high)}; }
  static float largest_lane(Floats v) { return vmaxvq_f32(vmaxq_f32(v.low, v.high)); }
  static float sum_lanes(Floats v) { return vaddvq_f32(vaddq_f32(v.low, v.high)); }
  static float first_lane(Floats v) { return vgetq_lane_f32(v.low, 0); }
  static Floats load_shorts(const int16_t* from) {
    const int16x8_t values = vld1q_s16(from);
    return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(values))), vcvtq_f32_s32(vmovl_high_s16(values))};
  }
  static Floats exp(Floats x) { return {exp_lanes(x.low), exp_lanes(x.high)}; }
  static Floats fma(Floats a, Floats b, Floats c) {
    return {vfmaq_f32(c.low, a.low, b.low), vfmaq_f32(c.high, a.high, b.high)};
  }

  /// May read up to `end`, the end of the matrix.
  template <int bits>
  static Ints load_words(const char* from, int64_t count, const char* end) {
    if constexpr (bits == 4 || bits == 8) {
      if (count >= lanes) return load_bytes(from);
      char bytes[4 * lanes] = {};
      for (int64_t i = 0; i < 4 * count; ++i) bytes[i] = from[i];
      return load_bytes(bytes);
    } else {
      // Sixteen values are 2 * bits bytes, of which 16 are read.
      return {words_of_sixteen<bits>(from, end), words_of_sixteen<bits>(from + 2 * bits, end)};
    }
  }

  /// May read up to `end`, the end of the array.
  template <FloatType type>
  static Floats load_stored(const char* from, int64_t count, const char* end) {
    constexpr int64_t bytes = type == FloatType::f32 ? 32 : 16;
    return count >= lanes || end - from >= bytes ? load_eight<type>(from) : kernels::load_some<type>(from, count);
  }

  static Floats load_e8m0(const char* from, int64_t count, const char* end) {
    const uint16x8_t codes = vmovl_u8(eight_bytes(from, count, end));
    // 0 is 2^-127, whose bits have no exponent.
    const auto values = [](uint32x4_t exponents) {
      return vreinterpretq_f32_u32(vmaxq_u32(vshlq_n_u32(exponents, 23), vdupq_n_u32(0x00400000)));
    };
    return {values(vmovl_u16(vget_low_u16(codes))), values(vmovl_high_u16(codes))};
  }
  /// By way of f16, which has the same fraction and a wider exponent.
  static Floats load_e4m3(const char* from, int64_t count, const char* end) {
    const uint16x8_t codes = vmovl_u8(eight_bytes(from, count, end));
    const uint16x8_t magnitude = vandq_u16(codes, vdupq_n_u16(0x7f));
    const uint16x8_t sign = vshlq_n_u16(vshrq_n_u16(codes, 7), 15);
    const uint16x8_t nan = vandq_u16(vceqq_u16(magnitude, vdupq_n_u16(0x7f)), vdupq_n_u16(0x7e00));
    const float16x8_t halves = vreinterpretq_f16_u16(vorrq_u16(vorrq_u16(vshlq_n_u16(magnitude, 7), sign), nan));
    return multiply({vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)}, set(256));
  }

  class E2m1Word {
   public:
    explicit E2m1Word(Ints word) {
      const int8x16_t table = vld1q_s8(e2m1_halves);
      const uint8x16_t low = vreinterpretq_u8_u32(word.low), high = vreinterpretq_u8_u32(word.high);
      even_[0] = vqtbl1q_s8(table, vandq_u8(low, vdupq_n_u8(15)));
      even_[1] = vqtbl1q_s8(table, vandq_u8(high, vdupq_n_u8(15)));
      odd_[0] = vqtbl1q_s8(table, vshrq_n_u8(low, 4));
      odd_[1] = vqtbl1q_s8(table, vshrq_n_u8(high, 4));
    }
    template <int k>
    Ints pair() const {
      const auto of = [](int8x16_t bytes) {
        int16x8_t halves = vreinterpretq_s16_s8(bytes);
        if constexpr (k < 2) halves = vshlq_n_s16(halves, 8);  // the low byte, with its sign
        return vreinterpretq_u32_s16(vshrq_n_s16(halves, 8));
      };
      const int8x16_t(&bytes)[2] = k % 2 == 0 ? even_ : odd_;
      return {of(bytes[0]), of(bytes[1])};
    }

   private:
    int8x16_t even_[2], odd_[2];  // values 0 2 4 6 and 1 3 5 7
  };

  class E4m3Word {
   public:
    explicit E4m3Word(Ints word) : parts_{Part(word.low), Part(word.high)} {}
    template <int k, int part>
    Ints pair() const {
      const uint8x16_t table = vld1q_u8(part == 0 ? e4m3_low_factors : e4m3_high_factors);
      const auto of = [&](const Part& bytes) {
        uint16x8_t factors = vreinterpretq_u16_u8(vqtbl1q_u8(table, bytes.exponents));
        int16x8_t fractions = vreinterpretq_s16_s8(bytes.fractions);
        factors = k == 0 ? vandq_u16(factors, vdupq_n_u16(0xff)) : vshrq_n_u16(factors, 8);
        if constexpr (k == 0) fractions = vshlq_n_s16(fractions, 8);
        return vreinterpretq_u32_s16(vmulq_s16(vreinterpretq_s16_u16(factors), vshrq_n_s16(fractions, 8)));
      };
      return {of(parts_[0]), of(parts_[1])};
    }

   private:
    struct Part {
      explicit Part(uint32x4_t word) {
        const uint8x16_t codes = vreinterpretq_u8_u32(word);
        const uint8x16_t plain = vandq_u8(codes, vdupq_n_u8(0x7f));
        const uint8x16_t hidden = vorrq_u8(vandq_u8(codes, vdupq_n_u8(7)), vdupq_n_u8(8));
        const int8x16_t sign = vshrq_n_s8(vreinterpretq_s8_u8(codes), 7);  // 0 or -1
        // Below 8 the exponent is zero, and there is no hidden bit.
        const int8x16_t size = vreinterpretq_s8_u8(vminq_u8(plain, hidden));
        fractions = vsubq_s8(veorq_s8(size, sign), sign);
        exponents = vshrq_n_u8(plain, 3);
      }
      int8x16_t fractions;
      uint8x16_t exponents;
    };
    Part parts_[2];
  };

  static void transpose(const Ints (&v)[lanes], int64_t count, uint32_t* to) {
#pragma GCC unroll 2
    for (int q = 0; q < 2; ++q) {
      transpose_quad(v[4 * q].low, v[4 * q + 1].low, v[4 * q + 2].low, v[4 * q + 3].low, count, to + 4 * q);
      transpose_quad(v[4 * q].high, v[4 * q + 1].high, v[4 * q + 2].high, v[4 * q + 3].high, count - 4,
                     to + 4 * lanes + 4 * q);
    }
  }

  template <int units, int parts, class Dots>
  static void sum_rows(Dots dots, Ints (&sums)[parts][units]) {
    constexpr int halves = units == 1 ? 1 : 2;  // registers of a vector, or their sum
    // Of two rows.
    uint32x4_t pairs[parts][halves][4];
    // One call in the text, which compilers expand in place.
#pragma GCC unroll 4
    for (int p = 0; p < 4; ++p) {
      Ints rows[parts][2];
#pragma GCC unroll 2
      for (int r = 0; r < 2; ++r) dots(2 * p + r, &rows[0][r], 2);
#pragma GCC unroll 2
      for (int part = 0; part < parts; ++part) {
        const Ints first = rows[part][0], second = rows[part][1];
        if constexpr (halves == 1) {
          pairs[part][0][p] = vpaddq_u32(vaddq_u32(first.low, first.high), vaddq_u32(second.low, second.high));
        } else {
          pairs[part][0][p] = vpaddq_u32(first.low, second.low);
          pairs[part][1][p] = vpaddq_u32(first.high, second.high);
        }
      }
    }
#pragma GCC unroll 2
    for (int part = 0; part < parts; ++part) {
#pragma GCC unroll 2
      for (int half = 0; half < halves; ++half) {
        const uint32x4_t(&of)[4] = pairs[part][half];
        if constexpr (units == 4) {
          sums[part][2 * half] = {vuzp1q_u32(of[0], of[1]), vuzp1q_u32(of[2], of[3])};
          sums[part][2 * half + 1] = {vuzp2q_u32(of[0], of[1]), vuzp2q_u32(of[2], of[3])};
        } else {
          sums[part][half] = {vpaddq_u32(of[0], of[1]), vpaddq_u32(of[2], of[3])};
        }
      }
    }
  }

  /// Into L2.
  static void prefetch(const char* at) { __builtin_prefetch(at, 0, 2); }

 private:
  static Ints ints(int32x4_t low, int32x4_t high) { return {vreinterpretq_u32_s32(low), vreinterpretq_u32_s32(high)}; }
  /// Eight words at any address.
  static Ints load_bytes(const char* from) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(from);
    return {vreinterpretq_u32_u8(vld1q_u8(bytes)), vreinterpretq_u32_u8(vld1q_u8(bytes + 16))};
  }

  /// The first `count` of eight bytes, and what may lie behind them up to `end`.
  static uint8x8_t eight_bytes(const char* from, int64_t count, const char* end) {
    if (end - from >= 8) return vld1_u8(reinterpret_cast<const uint8_t*>(from));
    uint8_t bytes[8] = {};
    for (int64_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(from[i]);
    return vld1_u8(bytes);
  }

  /// Sixteen values of a bit stream, one in each byte: each from the two bytes that hold it, shifted down.
  template <int bits>
  static uint32x4_t words_of_sixteen(const char* from, const char* end) {
    uint8x16_t packed;
    if (end - from >= 16) {
      packed = vld1q_u8(reinterpret_cast<const uint8_t*>(from));
    } else {
      uint8_t bytes[16] = {};
      for (int64_t i = 0; i < end - from; ++i) bytes[i] = static_cast<uint8_t>(from[i]);
      packed = vld1q_u8(bytes);
    }
    alignas(16) static constexpr Spreading spread = spreading<bits>();
    const auto eight = [&](int half) {
      const uint16x8_t both = vreinterpretq_u16_u8(vqtbl1q_u8(packed, vld1q_u8(spread.bytes + 16 * half)));
      return vmovn_u16(vshlq_u16(both, vld1q_s16(spread.shifts + 8 * half)));
    };
    const uint8x16_t values = vcombine_u8(eight(0), eight(1));
    return vreinterpretq_u32_u8(vandq_u8(values, vdupq_n_u8((1 << bits) - 1)));
  }
  struct Spreading {
    uint8_t bytes[32];
    int16_t shifts[16];
  };
  template <int bits>
  static constexpr Spreading spreading() {
    Spreading made{};
    for (int i = 0; i < 16; ++i) {
      // A value that ends within its first byte has no second: any byte will do, the mask drops it.
      made.bytes[2 * i] = static_cast<uint8_t>(i * bits / 8);
      made.bytes[2 * i + 1] = static_cast<uint8_t>((i * bits + bits - 1) / 8);
      made.shifts[i] = static_cast<int16_t>(-(i * bits % 8));
    }
    return made;
  }

  /// Four rows of four columns, of which the first `count` are stored.
  static void transpose_quad(uint32x4_t a, uint32x4_t b, uint32x4_t c, uint32x4_t d, int64_t count, uint32_t* to) {
    const auto wide = [](uint32x4_t v) { return vreinterpretq_u64_u32(v); };
    const auto words = [](uint64x2_t v) { return vreinterpretq_u32_u64(v); };
    const uint32x4_t ab_even = vtrn1q_u32(a, b), ab_odd = vtrn2q_u32(a, b);
    const uint32x4_t cd_even = vtrn1q_u32(c, d), cd_odd = vtrn2q_u32(c, d);
    if (count > 0) vst1q_u32(to, words(vtrn1q_u64(wide(ab_even), wide(cd_even))));
    if (count > 1) vst1q_u32(to + lanes, words(vtrn1q_u64(wide(ab_odd), wide(cd_odd))));
    if (count > 2) vst1q_u32(to + 2 * lanes, words(vtrn2q_u64(wide(ab_even), wide(cd_even))));
    if (count > 3) vst1q_u32(to + 3 * lanes, words(vtrn2q_u64(wide(ab_odd), wide(cd_odd))));
  }
};

}  // namespace
}  // namespace punie::kernels
