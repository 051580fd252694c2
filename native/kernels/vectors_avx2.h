#pragma once
// The vector operations of the kernels' templates, with AVX2, FMA and F16C. Internal linkage: code made for one
// instruction set must not be the linker's choice for a file that runs without.

#include "exp_avx2.h"
#include "float_codes.h"
#include "float_load_avx2.h"
#include "prefetch_x86.h"

namespace punie::kernels {
namespace {

struct Avx2 : PrefetchX86 {
  static constexpr int lanes = 8;
  static constexpr int most_inputs = 12;
  /// An input alone is multiplied by rows as they lie.
  static constexpr bool alone = true;
  /// Inputs that are multiplied by bytes.
  static constexpr int most_bytes = 4;
  /// Queries whose sums over two vectors stay in registers; 0: attention takes one vector at a time.
  static constexpr int most_paired = 6;
  /// Inputs of a crossed block: their sums over two panels stay in registers.
  static constexpr int crossed_inputs = 4;
  /// As many inputs, or more, are crossed.
  static constexpr int least_crossed = 7;

  using Ints = __m256i;
  using Floats = __m256;

  static Ints zero_ints() { return _mm256_setzero_si256(); }
  static Ints load_ints(const uint32_t* from) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(from)); }
  static Ints load_unaligned_ints(const int32_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static void store_ints(uint32_t* to, Ints v) { _mm256_store_si256(reinterpret_cast<__m256i*>(to), v); }
  static void keep(Ints& v) { asm("" : "+x"(v)); }
  template <int shift, int bits>
  static Ints field(Ints v) {
    if constexpr (shift > 0) v = _mm256_srli_epi16(v, shift);
    if constexpr (shift + bits < 16) v = _mm256_and_si256(v, _mm256_set1_epi16((1 << bits) - 1));
    return v;
  }
  static Ints add_dot(Ints sum, Ints w, Ints x) { return _mm256_add_epi32(sum, _mm256_madd_epi16(w, x)); }
  template <int units>
  static Ints add_row_dot(Ints sum, Ints w, Ints x) {
    return add_dot(sum, w, x);
  }
  static Ints weights_of(Ints pairs) { return pairs; }
  static Ints broadcast_pair(const int32_t* pair) { return _mm256_set1_epi32(*pair); }
  static Ints add(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
  static Ints subtract(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
  static Ints add_shorts(Ints a, Ints b) { return _mm256_add_epi16(a, b); }
  /// QuantizedCrossed::sum_steps for a whole block of inputs and two panels. All registers are needed here: eight sums,
  /// four weights, a pair each of inputs and of what they make with one panel. Compilers keep half of the sums in
  /// memory.
  static void sum_crossed(const uint32_t* weights, const int32_t* pairs, int64_t steps, const uint32_t* crosses,
                          const int32_t* input_crosses, Ints (&sums)[4][2]) {
#pragma GCC unroll 2
    for (int p = 0; p < 2; ++p) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        sums[i][p] = add(load_ints(crosses + p * lanes), broadcast_pair(input_crosses + i));
      }
    }
    // clang-format off
#define PUNIE_ADD_INPUT(a, b, sum0, sum1)     \
  "vpbroadcastd " a "(%[pairs]), %%ymm12\n\t" \
  "vpbroadcastd " b "(%[pairs]), %%ymm13\n\t" \
  "vpaddw %%ymm9, %%ymm12, %%ymm14\n\t"       \
  "vpaddw %%ymm8, %%ymm13, %%ymm15\n\t"       \
  "vpmaddwd %%ymm15, %%ymm14, %%ymm14\n\t"    \
  "vpaddw %%ymm11, %%ymm12, %%ymm12\n\t"      \
  "vpaddw %%ymm10, %%ymm13, %%ymm13\n\t"      \
  "vpaddd %%ymm14, " sum0 ", " sum0 "\n\t"    \
  "vpmaddwd %%ymm13, %%ymm12, %%ymm12\n\t"    \
  "vpaddd %%ymm12, " sum1 ", " sum1 "\n\t"
#define PUNIE_LOAD_WEIGHTS(a, b, c, d)        \
  "vmovdqa " a "(%[weights]), %%ymm8\n\t"     \
  "vmovdqa " b "(%[weights]), %%ymm9\n\t"     \
  "vmovdqa " c "(%[weights]), %%ymm10\n\t"    \
  "vmovdqa " d "(%[weights]), %%ymm11\n\t"
    asm volatile(
        ".p2align 6\n"
        "1:\n\t"
        PUNIE_LOAD_WEIGHTS("0", "32", "64", "96")
        PUNIE_ADD_INPUT("0", "16", "%[s0]", "%[s1]")
        PUNIE_ADD_INPUT("4", "20", "%[s2]", "%[s3]")
        PUNIE_ADD_INPUT("8", "24", "%[s4]", "%[s5]")
        PUNIE_ADD_INPUT("12", "28", "%[s6]", "%[s7]")
        PUNIE_LOAD_WEIGHTS("128", "160", "192", "224")
        PUNIE_ADD_INPUT("32", "48", "%[s0]", "%[s1]")
        PUNIE_ADD_INPUT("36", "52", "%[s2]", "%[s3]")
        PUNIE_ADD_INPUT("40", "56", "%[s4]", "%[s5]")
        PUNIE_ADD_INPUT("44", "60", "%[s6]", "%[s7]")
        "add $256, %[weights]\n\t"
        "add $64, %[pairs]\n\t"
        "sub $2, %[steps]\n\t"
        "jnz 1b"
        : [weights] "+r"(weights), [pairs] "+r"(pairs), [steps] "+r"(steps), [s0] "+x"(sums[0][0]),
          [s1] "+x"(sums[0][1]), [s2] "+x"(sums[1][0]), [s3] "+x"(sums[1][1]), [s4] "+x"(sums[2][0]),
          [s5] "+x"(sums[2][1]), [s6] "+x"(sums[3][0]), [s7] "+x"(sums[3][1])
        :
        : "memory", "cc", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
#undef PUNIE_LOAD_WEIGHTS
#undef PUNIE_ADD_INPUT
    // clang-format on
  }

  static Floats zero() { return _mm256_setzero_ps(); }
  static Floats set(float value) { return _mm256_set1_ps(value); }
  static Floats load(const float* from) { return _mm256_load_ps(from); }
  static void store(float* to, Floats v) { _mm256_store_ps(to, v); }
  static Floats load_some(const float* from, int64_t count) {
    return count >= lanes ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, first(count));
  }
  static void store_some(float* to, Floats v, int64_t count) {
    if (count >= lanes) return _mm256_storeu_ps(to, v);
    _mm256_maskstore_ps(to, first(count), v);
  }
  static Floats to_floats(Ints v) { return _mm256_cvtepi32_ps(v); }
  static Ints as_ints(Floats v) { return _mm256_castps_si256(v); }
  static Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
  static Floats divide(Floats a, Floats b) { return _mm256_div_ps(a, b); }
  static Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
  static Floats subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
  static Floats max(Floats a, Floats b) { return _mm256_max_ps(a, b); }
  static float largest_lane(Floats v) {
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
  }
  static float sum_lanes(Floats v) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
  }
  static float first_lane(Floats v) { return _mm256_cvtss_f32(v); }
  static Floats load_shorts(const int16_t* from) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
  }
  static Floats exp(Floats x) { return exp_lanes(x); }
  static Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }

  /// May read up to `end`, the end of the matrix.
  template <int bits>
  static Ints load_words(const char* from, int64_t count, const char* end) {
    if constexpr (bits == 4 || bits == 8) {
      if (count >= lanes) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
      return _mm256_maskload_epi32(reinterpret_cast<const int*>(from), first(count));
    } else {
      // Sixteen values are 2 * bits bytes, of which 16 are read.
      const Ints low = words_of_sixteen<bits>(from, end), high = words_of_sixteen<bits>(from + 2 * bits, end);
      return _mm256_permute4x64_epi64(_mm256_packus_epi16(low, high), 0xd8);
    }
  }

  /// May read up to `end`, the end of the array.
  template <FloatType type>
  static Floats load_stored(const char* from, int64_t count, const char* end) {
    constexpr int64_t bytes = type == FloatType::f32 ? 32 : 16;
    return count >= lanes || end - from >= bytes ? load_eight<type>(from) : kernels::load_some<type>(from, count);
  }

  static Floats load_e8m0(const char* from, int64_t count, const char* end) {
    const Ints exponents = _mm256_slli_epi32(_mm256_cvtepu8_epi32(eight_bytes(from, count, end)), 23);
    // 0 is 2^-127, whose bits have no exponent.
    return _mm256_castsi256_ps(_mm256_max_epi32(exponents, _mm256_set1_epi32(0x00400000)));
  }
  /// By way of f16, which has the same fraction and a wider exponent.
  static Floats load_e4m3(const char* from, int64_t count, const char* end) {
    const __m128i codes = _mm_cvtepu8_epi16(eight_bytes(from, count, end));
    const __m128i magnitude = _mm_and_si128(codes, _mm_set1_epi16(0x7f));
    const __m128i sign = _mm_slli_epi16(_mm_srli_epi16(codes, 7), 15);
    const __m128i nan = _mm_and_si128(_mm_cmpeq_epi16(magnitude, _mm_set1_epi16(0x7f)), _mm_set1_epi16(0x7e00));
    const __m128i halves = _mm_or_si128(_mm_or_si128(_mm_slli_epi16(magnitude, 7), sign), nan);
    return multiply(_mm256_cvtph_ps(halves), set(256));
  }

  class E2m1Word {
   public:
    explicit E2m1Word(Ints word) {
      const Ints table = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(e2m1_halves)));
      const Ints nibbles = _mm256_set1_epi8(15);
      even_ = _mm256_shuffle_epi8(table, _mm256_and_si256(word, nibbles));
      odd_ = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(word, 4), nibbles));
    }
    template <int k>
    Ints pair() const {
      const Ints bytes = k % 2 == 0 ? even_ : odd_;
      if constexpr (k >= 2) return _mm256_srai_epi16(bytes, 8);
      return _mm256_maddubs_epi16(_mm256_set1_epi16(1), bytes);  // the low byte, with its sign
    }

   private:
    Ints even_, odd_;  // signed bytes: values 0 2 4 6 and 1 3 5 7
  };

  class E4m3Word {
   public:
    explicit E4m3Word(Ints word) {
      const Ints plain = _mm256_and_si256(word, _mm256_set1_epi8(0x7f));
      const Ints hidden = _mm256_or_si256(_mm256_and_si256(word, _mm256_set1_epi8(7)), _mm256_set1_epi8(8));
      // Below 8 the exponent is zero, and there is no hidden bit.
      fractions_ = _mm256_sign_epi8(_mm256_min_epu8(plain, hidden), word);
      exponents_ = _mm256_and_si256(_mm256_srli_epi16(word, 3), _mm256_set1_epi8(15));
    }
    template <int k, int part>
    Ints pair() const {
      const uint8_t* table = part == 0 ? e4m3_low_factors : e4m3_high_factors;
      const Ints factors = _mm256_shuffle_epi8(
          _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table))), exponents_);
      const Ints bytes = _mm256_set1_epi16(k == 0 ? 0x00ff : static_cast<int16_t>(0xff00));
      return _mm256_maddubs_epi16(_mm256_and_si256(factors, bytes), fractions_);
    }

   private:
    Ints fractions_, exponents_;  // bytes
  };

  static void transpose(const Ints (&v)[lanes], int64_t count, uint32_t* to) {
    Ints quads[2][4];
#pragma GCC unroll 2
    for (int q = 0; q < 2; ++q) {
      const Ints a = _mm256_unpacklo_epi32(v[4 * q], v[4 * q + 1]), b = _mm256_unpackhi_epi32(v[4 * q], v[4 * q + 1]);
      const Ints c = _mm256_unpacklo_epi32(v[4 * q + 2], v[4 * q + 3]),
                 d = _mm256_unpackhi_epi32(v[4 * q + 2], v[4 * q + 3]);
      quads[q][0] = _mm256_unpacklo_epi64(a, c);
      quads[q][1] = _mm256_unpackhi_epi64(a, c);
      quads[q][2] = _mm256_unpacklo_epi64(b, d);
      quads[q][3] = _mm256_unpackhi_epi64(b, d);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      if (c < count) store_ints(to + c * lanes, _mm256_permute2x128_si256(quads[0][c], quads[1][c], 0x20));
      if (4 + c < count) store_ints(to + (4 + c) * lanes, _mm256_permute2x128_si256(quads[0][c], quads[1][c], 0x31));
    }
  }

  template <int units, int parts, class Dots>
  static void sum_rows(Dots dots, Ints (&sums)[parts][units]) {
    constexpr int halves = units == 4 ? 2 : 1;  // units of a 128-bit lane
    Ints quads[parts][halves][2];
    // One call in the text, which compilers expand in place.
#pragma GCC unroll 2
    for (int q = 0; q < 2; ++q) {
      Ints rows[parts][4];
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) dots(4 * q + r, &rows[0][r], 4);
#pragma GCC unroll 2
      for (int part = 0; part < parts; ++part) {
        const Ints(&of)[4] = rows[part];
        const Ints a = _mm256_unpacklo_epi32(of[0], of[1]), b = _mm256_unpackhi_epi32(of[0], of[1]);
        const Ints c = _mm256_unpacklo_epi32(of[2], of[3]), d = _mm256_unpackhi_epi32(of[2], of[3]);
        if constexpr (halves == 2) {
          const Ints low = add(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
          const Ints high = add(_mm256_unpacklo_epi64(c, d), _mm256_unpackhi_epi64(c, d));
          quads[part][0][q] = _mm256_unpacklo_epi64(low, high);
          quads[part][1][q] = _mm256_unpackhi_epi64(low, high);
        } else {
          const Ints low = add(a, b), high = add(c, d);
          quads[part][0][q] = add(_mm256_unpacklo_epi64(low, high), _mm256_unpackhi_epi64(low, high));
        }
      }
    }
#pragma GCC unroll 2
    for (int part = 0; part < parts; ++part) {
#pragma GCC unroll 2
      for (int half = 0; half < halves; ++half) {
        const Ints(&of)[2] = quads[part][half];
        const Ints first = _mm256_permute2x128_si256(of[0], of[1], 0x20);
        const Ints second = _mm256_permute2x128_si256(of[0], of[1], 0x31);
        if constexpr (units == 1) {
          sums[part][0] = add(first, second);
        } else {
          sums[part][half] = first;
          sums[part][halves + half] = second;
        }
      }
    }
  }

 private:
  static __m256i first(int64_t count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }

  /// The first `count` of eight bytes, and what may lie behind them up to `end`.
  static __m128i eight_bytes(const char* from, int64_t count, const char* end) {
    if (end - from >= 8) return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
    char bytes[8] = {};
    for (int64_t i = 0; i < count; ++i) bytes[i] = from[i];
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
  }

  /// Sixteen values of a bit stream, one in each 16-bit lane: the two bytes that hold it, shifted to the lane's top,
  /// which drops what is above it, and down again.
  template <int bits>
  static Ints words_of_sixteen(const char* from, const char* end) {
    __m128i packed;
    if (end - from >= 16) {
      packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    } else {
      alignas(16) char bytes[16] = {};
      for (int64_t i = 0; i < end - from; ++i) bytes[i] = from[i];
      packed = _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
    }
    const __m256i both = _mm256_broadcastsi128_si256(packed);
    const __m256i spread = _mm256_shuffle_epi8(both, bytes_of_lane<bits>());
    return _mm256_srli_epi16(_mm256_mullo_epi16(spread, factor_of_lane<bits>()), 16 - bits);
  }
  template <int bits>
  static Ints bytes_of_lane() {
    alignas(32) static constexpr Table<uint8_t, 32> table = [] {
      Table<uint8_t, 32> made{};
      for (int i = 0; i < 16; ++i) {
        // A value that ends within its first byte has no second: any byte will do, the shift drops it.
        made.at[2 * i] = static_cast<uint8_t>(i * bits / 8);
        made.at[2 * i + 1] = static_cast<uint8_t>((i * bits + bits - 1) / 8);
      }
      return made;
    }();
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(table.at));
  }
  template <int bits>
  static Ints factor_of_lane() {
    alignas(32) static constexpr Table<uint16_t, 16> table = [] {
      Table<uint16_t, 16> made{};
      for (int i = 0; i < 16; ++i) made.at[i] = static_cast<uint16_t>(1 << (16 - bits - i * bits % 8));
      return made;
    }();
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(table.at));
  }
  template <class T, int size>
  struct Table {
    T at[size];
  };
};

}  // namespace
}  // namespace punie::kernels
