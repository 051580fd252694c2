#pragma once
// The vector operations of the kernels' templates, with AVX-512 (F, BW, VL, VNNI: Cascade Lake and later), and with
// VBMI (Ice Lake, Zen 4 and later) in files that are compiled for it. Internal linkage: code made for one instruction
// set must not be the linker's choice for a file that runs without.

#include <immintrin.h>

#include <initializer_list>

#include "float_codes.h"
#include "float_type.h"
#include "prefetch_x86.h"

namespace punie::kernels {
namespace {

struct Avx512 : PrefetchX86 {
  static constexpr int lanes = 16;
  /// Inputs whose sums a step keeps in registers.
  static constexpr int most_inputs = 12;
  /// An input alone is multiplied by rows as they lie.
  static constexpr bool alone = true;
  /// Inputs that are multiplied by bytes.
  static constexpr int most_bytes = 4;
  /// Queries whose sums over two vectors stay in registers.
  static constexpr int most_paired = 12;
  /// Inputs of a crossed block: their sums over two panels stay in registers.
  static constexpr int crossed_inputs = 6;
  /// As many inputs, or more, are crossed.
  static constexpr int least_crossed = 12;

  using Ints = __m512i;
  using Floats = __m512;

  static Ints zero_ints() { return _mm512_setzero_si512(); }
  static Ints load_ints(const uint32_t* from) { return _mm512_load_si512(from); }
  static Ints load_unaligned_ints(const int32_t* from) { return _mm512_loadu_si512(from); }
  static void store_ints(uint32_t* to, Ints v) { _mm512_store_si512(to, v); }
  /// Keeps a loaded vector in its register: compilers would load it again for each use.
#ifdef PUNIE_EMULATE_AVX512
  static void keep(Ints&) {}
#else
  static void keep(Ints& v) { asm("" : "+v"(v)); }
#endif
  /// In each 16-bit lane: `bits` bits from bit `shift` on.
  template <int shift, int bits>
  static Ints field(Ints v) {
    if constexpr (shift > 0) v = _mm512_srli_epi16(v, shift);
    if constexpr (shift + bits < 16) v = _mm512_and_si512(v, _mm512_set1_epi16((1 << bits) - 1));
    return v;
  }
  /// Adds to each 32-bit lane the dot product of its two 16-bit values with those of x.
  static Ints add_dot(Ints sum, Ints w, Ints x) { return _mm512_dpwssd_epi32(sum, w, x); }
  template <int units>
  static Ints add_row_dot(Ints sum, Ints w, Ints x) {
    return add_dot(sum, w, x);
  }
  static Ints weights_of(Ints pairs) { return pairs; }
  static Ints broadcast_pair(const int32_t* pair) { return _mm512_set1_epi32(*pair); }
  static Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
  static Ints subtract(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
  static Ints add_shorts(Ints a, Ints b) { return _mm512_add_epi16(a, b); }
#ifndef PUNIE_EMULATE_AVX512
  /// QuantizedCrossed::sum_steps for a whole block of inputs and two panels. Compilers copy every sum twice for each
  /// step.
  static void sum_crossed(const uint32_t* weights, const int32_t* pairs, int64_t steps, const uint32_t* crosses,
                          const int32_t* input_crosses, Ints (&sums)[6][2]) {
    // clang-format off
#define PUNIE_BEGIN_INPUT(a, sum0, sum1)                         \
  "vpaddd " a "(%[input_crosses])%{1to16%}, %%zmm16, " sum0 "\n\t" \
  "vpaddd " a "(%[input_crosses])%{1to16%}, %%zmm17, " sum1 "\n\t"
#define PUNIE_ADD_INPUT(a, b, sum0, sum1)     \
  "vpbroadcastd " a "(%[pairs]), %%zmm20\n\t" \
  "vpbroadcastd " b "(%[pairs]), %%zmm21\n\t" \
  "vpaddw %%zmm17, %%zmm20, %%zmm22\n\t"      \
  "vpaddw %%zmm16, %%zmm21, %%zmm23\n\t"      \
  "vpaddw %%zmm19, %%zmm20, %%zmm20\n\t"      \
  "vpaddw %%zmm18, %%zmm21, %%zmm21\n\t"      \
  "vpdpwssd %%zmm23, %%zmm22, " sum0 "\n\t"   \
  "vpdpwssd %%zmm21, %%zmm20, " sum1 "\n\t"
    asm volatile(
        "vmovdqa64 (%[crosses]), %%zmm16\n\t"
        "vmovdqa64 64(%[crosses]), %%zmm17\n\t"
        PUNIE_BEGIN_INPUT("0", "%[s0]", "%[s1]")
        PUNIE_BEGIN_INPUT("4", "%[s2]", "%[s3]")
        PUNIE_BEGIN_INPUT("8", "%[s4]", "%[s5]")
        PUNIE_BEGIN_INPUT("12", "%[s6]", "%[s7]")
        PUNIE_BEGIN_INPUT("16", "%[s8]", "%[s9]")
        PUNIE_BEGIN_INPUT("20", "%[s10]", "%[s11]")
        ".p2align 6\n"
        "1:\n\t"
        "vmovdqa64 (%[weights]), %%zmm16\n\t"
        "vmovdqa64 64(%[weights]), %%zmm17\n\t"
        "vmovdqa64 128(%[weights]), %%zmm18\n\t"
        "vmovdqa64 192(%[weights]), %%zmm19\n\t"
        PUNIE_ADD_INPUT("0", "24", "%[s0]", "%[s1]")
        PUNIE_ADD_INPUT("4", "28", "%[s2]", "%[s3]")
        PUNIE_ADD_INPUT("8", "32", "%[s4]", "%[s5]")
        PUNIE_ADD_INPUT("12", "36", "%[s6]", "%[s7]")
        PUNIE_ADD_INPUT("16", "40", "%[s8]", "%[s9]")
        PUNIE_ADD_INPUT("20", "44", "%[s10]", "%[s11]")
        "add $256, %[weights]\n\t"
        "add $48, %[pairs]\n\t"
        "dec %[steps]\n\t"
        "jnz 1b"
        : [weights] "+r"(weights), [pairs] "+r"(pairs), [steps] "+r"(steps), [s0] "=&v"(sums[0][0]),
          [s1] "=&v"(sums[0][1]), [s2] "=&v"(sums[1][0]), [s3] "=&v"(sums[1][1]), [s4] "=&v"(sums[2][0]),
          [s5] "=&v"(sums[2][1]), [s6] "=&v"(sums[3][0]), [s7] "=&v"(sums[3][1]), [s8] "=&v"(sums[4][0]),
          [s9] "=&v"(sums[4][1]), [s10] "=&v"(sums[5][0]), [s11] "=&v"(sums[5][1])
        : [crosses] "r"(crosses), [input_crosses] "r"(input_crosses)
        : "memory", "cc", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23");
#undef PUNIE_ADD_INPUT
#undef PUNIE_BEGIN_INPUT
    // clang-format on
  }
#endif

  static Floats zero() { return _mm512_setzero_ps(); }
  static Floats set(float value) { return _mm512_set1_ps(value); }
  static Floats load(const float* from) { return _mm512_load_ps(from); }
  static void store(float* to, Floats v) { _mm512_store_ps(to, v); }
  /// The first `count` of a vector's lanes, at any address.
  static Floats load_some(const float* from, int64_t count) { return _mm512_maskz_loadu_ps(first(count), from); }
  static void store_some(float* to, Floats v, int64_t count) { _mm512_mask_storeu_ps(to, first(count), v); }
  static Floats to_floats(Ints v) { return _mm512_cvtepi32_ps(v); }
  static Floats as_floats(Ints v) { return _mm512_castsi512_ps(v); }
  static Ints as_ints(Floats v) { return _mm512_castps_si512(v); }
  static Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  static Floats subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
  static Floats max(Floats a, Floats b) { return _mm512_max_ps(a, b); }
  static float largest_lane(Floats v) { return _mm512_reduce_max_ps(v); }
  static float sum_lanes(Floats v) { return _mm512_reduce_add_ps(v); }
  static float first_lane(Floats v) { return _mm512_cvtss_f32(v); }
  /// 16-bit integers.
  static Floats load_shorts(const int16_t* from) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))));
  }
  /// As exp_avx2.h has it.
  static Floats exp(Floats x) {
    const __mmask16 too_low = _mm512_cmp_ps_mask(x, set(-87.336544f), _CMP_LT_OQ);
    const Floats bounded = _mm512_max_ps(set(-88.0f), _mm512_min_ps(set(89.0f), x));
    const Floats k = _mm512_roundscale_ps(multiply(bounded, set(1.44269504f)), _MM_FROUND_TO_NEAREST_INT);
    Floats r = _mm512_fnmadd_ps(k, set(0.693359375f), bounded);
    r = _mm512_fnmadd_ps(k, set(-2.12194440e-4f), r);
    Floats sum = set(1.0f / 5040);
    for (const float factor : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) {
      sum = fma(sum, r, set(factor));
    }
    return _mm512_maskz_scalef_ps(static_cast<__mmask16>(~too_low), sum, k);
  }
  /// a * b + c, rounded once.
  static Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }

  /// `lanes` words of a row of weights, of which `count` are there and the others zero: as they lie for 4 and 8 bits,
  /// else four values a word, a byte each. Reads no byte beyond them.
  template <int bits>
  static Ints load_words(const char* from, int64_t count, const char* /*end*/) {
    if constexpr (bits == 4 || bits == 8) {
      return count >= lanes ? _mm512_loadu_si512(from) : _mm512_maskz_loadu_epi32(first(count), from);
    } else {
      const __m512i packed = _mm512_maskz_loadu_epi8(first_bytes(count * bits / 2), from);
      return _mm512_and_si512(spread_codes<bits>(packed), _mm512_set1_epi8((1 << bits) - 1));
    }
  }

  /// `lanes` stored floats, of which `count` are there; the other lanes are undefined.
  template <FloatType type>
  static Floats load_stored(const char* from, int64_t count, const char* /*end*/) {
    if constexpr (type == FloatType::f32) return load_some(reinterpret_cast<const float*>(from), count);
    const __m256i halves = _mm256_maskz_loadu_epi16(first(count), from);
    if constexpr (type == FloatType::f16) return _mm512_cvtph_ps(halves);
    return as_floats(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }

  /// `lanes` scales of one byte, as load_stored has it.
  static Floats load_e8m0(const char* from, int64_t count, const char* /*end*/) {
    const __m128i codes = _mm_maskz_loadu_epi8(first(count), from);
    // 0 is 2^-127, whose bits have no exponent.
    return as_floats(
        _mm512_max_epu32(_mm512_slli_epi32(_mm512_cvtepu8_epi32(codes), 23), _mm512_set1_epi32(0x00400000)));
  }
  /// By way of f16, which has the same fraction and a wider exponent.
  static Floats load_e4m3(const char* from, int64_t count, const char* /*end*/) {
    const __m256i codes = _mm256_cvtepu8_epi16(_mm_maskz_loadu_epi8(first(count), from));
    const __m256i magnitude = _mm256_and_si256(codes, _mm256_set1_epi16(0x7f));
    const __m256i sign = _mm256_slli_epi16(_mm256_srli_epi16(codes, 7), 15);
    const __mmask16 nan = _mm256_cmpeq_epi16_mask(magnitude, _mm256_set1_epi16(0x7f));
    const __m256i finite = _mm256_or_si256(_mm256_slli_epi16(magnitude, 7), sign);
    return multiply(_mm512_cvtph_ps(_mm256_mask_blend_epi16(nan, finite, _mm256_set1_epi16(0x7e00))), set(256));
  }

  /// Eight E2M1 codes a word. pair<k>: twice the values k and k + 4, in 16 bits each.
  class E2m1Word {
   public:
    explicit E2m1Word(Ints word) : word_(word) {}
    template <int k>
    Ints pair() const {
      // Of an index five bits count: so every value stands twice, and no mask is needed.
      alignas(64) static constexpr int16_t table[32] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12,
                                                        0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
      return _mm512_permutexvar_epi16(k == 0 ? word_ : _mm512_srli_epi16(word_, 4 * k), _mm512_load_si512(table));
    }

   private:
    Ints word_;
  };

  /// Four E4M3 codes a word. pair<k, part>: parts of the values k and k + 2 (float_codes.h), in 16 bits each.
  class E4m3Word {
   public:
    explicit E4m3Word(Ints word) {
      const Ints plain = _mm512_and_si512(word, _mm512_set1_epi8(0x7f));
      const Ints hidden = _mm512_or_si512(_mm512_and_si512(word, _mm512_set1_epi8(7)), _mm512_set1_epi8(8));
      // Below 8 the exponent is zero, and there is no hidden bit.
      const Ints fractions = _mm512_min_epu8(plain, hidden);
      fractions_ = _mm512_mask_sub_epi8(fractions, _mm512_movepi8_mask(word), zero_ints(), fractions);
      exponents_ = _mm512_and_si512(_mm512_srli_epi16(word, 3), _mm512_set1_epi8(15));
    }
    template <int k, int part>
    Ints pair() const {
      const uint8_t* table = part == 0 ? e4m3_low_factors : e4m3_high_factors;
      const Ints factors = _mm512_maskz_shuffle_epi8(
          k == 0 ? 0x5555555555555555u : 0xaaaaaaaaaaaaaaaau,
          _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table))), exponents_);
      return _mm512_maddubs_epi16(factors, fractions_);
    }

   private:
    Ints fractions_, exponents_;  // bytes
  };

  /// Rows to columns: lane i of to[j] is lane j of v[i], for the first `count` columns.
  static void transpose(const Ints (&v)[lanes], int64_t count, uint32_t* to) {
    Ints quads[4][4];  // [rows / 4][column % 4]
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) {
      const Ints a = _mm512_unpacklo_epi32(v[4 * q], v[4 * q + 1]), b = _mm512_unpackhi_epi32(v[4 * q], v[4 * q + 1]);
      const Ints c = _mm512_unpacklo_epi32(v[4 * q + 2], v[4 * q + 3]),
                 d = _mm512_unpackhi_epi32(v[4 * q + 2], v[4 * q + 3]);
      quads[q][0] = _mm512_unpacklo_epi64(a, c);
      quads[q][1] = _mm512_unpackhi_epi64(a, c);
      quads[q][2] = _mm512_unpacklo_epi64(b, d);
      quads[q][3] = _mm512_unpackhi_epi64(b, d);
    }
    // The 128-bit lane l of quads[q][c] is column 4 l + c of rows 4 q to 4 q + 3.
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      Ints columns[4];
      gather_quarters(quads[0][c], quads[1][c], quads[2][c], quads[3][c], columns);
#pragma GCC unroll 4
      for (int l = 0; l < 4; ++l) {
        if (4 * l + c < count) store_ints(to + (4 * l + c) * lanes, columns[l]);
      }
    }
  }

  /// Each row's sums over the words of a unit: `dots(row, to, stride)` gives a vector of a row for each part, to[part *
  /// stride], whose lanes are added up to lane `row` of sums[part][unit], for `units` units of a vector.
  template <int units, int parts, class Dots>
  static void sum_rows(Dots dots, Ints (&sums)[parts][units]) {
    constexpr int halves = units == 8 ? 2 : 1;  // units of a 128-bit lane
    Ints quads[parts][halves][4];
    // One call in the text, which compilers expand in place.
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) {
      Ints rows[parts][4];
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) dots(4 * q + r, &rows[0][r], 4);
#pragma GCC unroll 2
      for (int part = 0; part < parts; ++part) {
        const Ints(&of)[4] = rows[part];
        const Ints a = _mm512_unpacklo_epi32(of[0], of[1]), b = _mm512_unpackhi_epi32(of[0], of[1]);
        const Ints c = _mm512_unpacklo_epi32(of[2], of[3]), d = _mm512_unpackhi_epi32(of[2], of[3]);
        if constexpr (halves == 2) {
          const Ints low = add(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
          const Ints high = add(_mm512_unpacklo_epi64(c, d), _mm512_unpackhi_epi64(c, d));
          quads[part][0][q] = _mm512_unpacklo_epi64(low, high);
          quads[part][1][q] = _mm512_unpackhi_epi64(low, high);
        } else {
          const Ints low = add(a, b), high = add(c, d);
          quads[part][0][q] = add(_mm512_unpacklo_epi64(low, high), _mm512_unpackhi_epi64(low, high));
        }
      }
    }
#pragma GCC unroll 2
    for (int part = 0; part < parts; ++part) {
#pragma GCC unroll 2
      for (int half = 0; half < halves; ++half) {
        Ints of_quarters[units < 8 ? units : 4];
        sum_quarters(quads[part][half], of_quarters);
#pragma GCC unroll 4
        for (int u = 0; u < (units < 8 ? units : 4); ++u) sums[part][halves * u + half] = of_quarters[u];
      }
    }
  }

  /// The sums of one part over the 128-bit lanes of its units.
  template <int units>
  static void sum_quarters(const Ints (&quads)[4], Ints (&sums)[units]) {
    if constexpr (units == 4) return gather_quarters(quads[0], quads[1], quads[2], quads[3], sums);
    const auto halves = [](Ints a, Ints b) {
      return add(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
    };
    const Ints low = halves(quads[0], quads[1]), high = halves(quads[2], quads[3]);
    const Ints first = _mm512_shuffle_i32x4(low, high, 0x88), second = _mm512_shuffle_i32x4(low, high, 0xdd);
    if constexpr (units == 2) {
      sums[0] = first;
      sums[1] = second;
    } else if constexpr (units == 1) {
      sums[0] = add(first, second);
    }
  }

 private:
  static __mmask16 first(int64_t count) { return static_cast<__mmask16>(count >= 16 ? 0xffff : (1u << count) - 1); }
  static __mmask64 first_bytes(int64_t count) { return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1; }

  /// out[l] = the 128-bit lanes l of a, b, c and d.
  template <int size>
  static void gather_quarters(Ints a, Ints b, Ints c, Ints d, Ints (&out)[size]) {
    const Ints even_ab = _mm512_shuffle_i32x4(a, b, 0x88), odd_ab = _mm512_shuffle_i32x4(a, b, 0xdd);
    const Ints even_cd = _mm512_shuffle_i32x4(c, d, 0x88), odd_cd = _mm512_shuffle_i32x4(c, d, 0xdd);
    out[0] = _mm512_shuffle_i32x4(even_ab, even_cd, 0x88);
    out[1] = _mm512_shuffle_i32x4(odd_ab, odd_cd, 0x88);
    out[2] = _mm512_shuffle_i32x4(even_ab, even_cd, 0xdd);
    out[3] = _mm512_shuffle_i32x4(odd_ab, odd_cd, 0xdd);
  }

  // The codes of `packed` from the low bits of a byte each; the rest of the byte is undefined.
#if defined(__AVX512VBMI__)
  /// Eight codes are `bits` bytes: those go to a 64-bit lane, and each code from its bits there to a byte.
  template <int bits>
  static Ints spread_codes(Ints packed) {
    alignas(64) static constexpr Table<uint8_t, 64> byte_of_lane = [] {
      Table<uint8_t, 64> made{};
      for (int i = 0; i < 64; ++i) made.at[i] = static_cast<uint8_t>(i % 8 < bits ? i / 8 * bits + i % 8 : 0);
      return made;
    }();
    uint64_t shifts = 0;
    for (int i = 0; i < 8; ++i) shifts |= static_cast<uint64_t>(i * bits) << (8 * i);
    return _mm512_multishift_epi64_epi8(_mm512_set1_epi64(static_cast<int64_t>(shifts)),
                                        _mm512_permutexvar_epi8(_mm512_load_si512(byte_of_lane.at), packed));
  }
#else
  /// Sixteen codes are 2 * `bits` bytes: those go to a 128-bit lane, the two bytes that hold two codes to 16 bits of
  /// it, and of the codes, which begin at one of the low bits, the second to the high byte.
  template <int bits>
  static Ints spread_codes(Ints packed) {
    alignas(64) static constexpr Table<uint32_t, 16> word_of_lane = [] {
      Table<uint32_t, 16> made{};
      for (int i = 0; i < 16; ++i) made.at[i] = static_cast<uint32_t>(i / 4 * 2 * bits / 4 + i % 4);
      return made;
    }();
    alignas(64) static constexpr Table<uint8_t, 64> byte_of_lane = [] {
      Table<uint8_t, 64> made{};
      for (int i = 0; i < 64; ++i) {
        made.at[i] = static_cast<uint8_t>(i / 16 * 2 * bits % 4 + i % 16 / 2 * 2 * bits / 8 + i % 2);
      }
      return made;
    }();
    alignas(64) static constexpr Table<uint16_t, 32> first_bit = [] {
      Table<uint16_t, 32> made{};
      for (int i = 0; i < 32; ++i) made.at[i] = static_cast<uint16_t>(i * 2 * bits % 8);
      return made;
    }();
    const Ints of_lanes = _mm512_permutexvar_epi32(_mm512_load_si512(word_of_lane.at), packed);
    const Ints of_pairs = _mm512_shuffle_epi8(of_lanes, _mm512_load_si512(byte_of_lane.at));
    const Ints pairs = _mm512_srlv_epi16(of_pairs, _mm512_load_si512(first_bit.at));
    return _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaau, pairs, _mm512_slli_epi16(pairs, 8 - bits));
  }
#endif
  template <class T, int size>
  struct Table {
    T at[size];
  };
};

}  // namespace
}  // namespace punie::kernels
