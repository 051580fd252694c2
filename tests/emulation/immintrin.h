#pragma once
// In the place of the compiler's header: AVX-512 and AMX in plain C++, for processors that have neither. Most of AVX-512
// is SIMDe's (Debian's and Ubuntu's libsimde-dev); here is what its version 0.7.4 lacks or has wrong, and AMX's tiles,
// as Intel's Software Developer's Manual has them. For `npm run test:avx512`, which says nothing about speed.

#define SIMDE_NO_NATIVE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx2.h>
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>

using __mmask8 = uint8_t;
using __mmask16 = uint16_t;
using __mmask32 = uint32_t;
using __mmask64 = uint64_t;

namespace emulation {

template <class Element, class Vector>
using Elements = std::array<Element, sizeof(Vector) / sizeof(Element)>;

template <class Element, class Vector>
Elements<Element, Vector> elements(const Vector& vector) {
  Elements<Element, Vector> all;
  std::memcpy(&all, &vector, sizeof all);
  return all;
}

template <class Vector, class All>
Vector vector_of(const All& all) {
  static_assert(sizeof(Vector) == sizeof(All));
  Vector vector;
  std::memcpy(&vector, &all, sizeof vector);
  return vector;
}

template <class From, class To, class Result, class Vector>
Result convert(const Vector& vector) {
  Elements<To, Result> all;
  std::ranges::transform(elements<From>(vector), all.begin(), [](From value) { return static_cast<To>(value); });
  return vector_of<Result>(all);
}

/// Reads no byte of an element that the mask leaves out.
template <class Element, class Vector>
Vector load_masked(uint64_t mask, const void* from) {
  Elements<Element, Vector> all{};
  for (size_t i = 0; i < all.size(); ++i) {
    if ((mask >> i & 1) != 0) std::memcpy(&all[i], static_cast<const char*>(from) + i * sizeof(Element), sizeof(Element));
  }
  return vector_of<Vector>(all);
}

inline void require(bool holds) {
  if (!holds) std::abort();
}

/// The tiles of a thread: up to 16 rows of up to 64 bytes.
struct Tiles {
  bool configured = false;
  std::array<int, 8> rows{};
  std::array<int, 8> row_bytes{};
  uint8_t bytes[8][16][64];
};
inline thread_local Tiles tiles;

/// TDPBSSD and its like: sums of four products of bytes, into 32 bits.
template <class A, class B>
void multiply_tiles(int sum, int a, int b) {
  const auto& [configured, rows, row_bytes, _] = tiles;
  require(configured && rows[sum] == rows[a] && row_bytes[sum] == row_bytes[b] && row_bytes[a] == 4 * rows[b]);
  for (int m = 0; m < rows[sum]; ++m) {
    for (int n = 0; n < row_bytes[sum]; n += 4) {
      uint32_t total;
      std::memcpy(&total, &tiles.bytes[sum][m][n], 4);
      for (int k = 0; k < row_bytes[a]; ++k) {
        total += static_cast<uint32_t>(static_cast<A>(tiles.bytes[a][m][k]) *
                                       static_cast<B>(tiles.bytes[b][k / 4][n + k % 4]));
      }
      std::memcpy(&tiles.bytes[sum][m][n], &total, 4);
    }
  }
}

}  // namespace emulation

inline constexpr auto _mm512_cvtepi16_epi32 = emulation::convert<int16_t, int32_t, __m512i, __m256i>;
inline constexpr auto _mm512_cvtepu16_epi32 = emulation::convert<uint16_t, int32_t, __m512i, __m256i>;
inline constexpr auto _mm512_cvtepu8_epi32 = emulation::convert<uint8_t, int32_t, __m512i, __m128i>;
inline constexpr auto _mm512_cvtepi32_epi16 = emulation::convert<int32_t, int16_t, __m256i, __m512i>;
inline constexpr auto _mm512_cvtepi32_epi8 = emulation::convert<int32_t, int8_t, __m128i, __m512i>;
inline constexpr auto _mm512_cvtepi32_ps = emulation::convert<int32_t, float, __m512, __m512i>;
inline constexpr auto _mm512_cvtph_ps = emulation::convert<_Float16, float, __m512, __m256i>;

inline constexpr auto _mm512_maskz_loadu_epi32 = emulation::load_masked<int32_t, __m512i>;
inline constexpr auto _mm512_maskz_loadu_epi8 = emulation::load_masked<int8_t, __m512i>;
inline constexpr auto _mm512_maskz_loadu_ps = emulation::load_masked<float, __m512>;
inline constexpr auto _mm256_maskz_loadu_epi16 = emulation::load_masked<int16_t, __m256i>;
inline constexpr auto _mm_maskz_loadu_epi16 = emulation::load_masked<int16_t, __m128i>;
inline constexpr auto _mm_maskz_loadu_epi32 = emulation::load_masked<int32_t, __m128i>;
inline constexpr auto _mm_maskz_loadu_epi8 = emulation::load_masked<int8_t, __m128i>;

inline float _mm512_cvtss_f32(__m512 v) { return emulation::elements<float>(v)[0]; }

inline void _mm512_mask_storeu_ps(void* to, __mmask16 mask, __m512 v) {
  const auto all = emulation::elements<float>(v);
  for (size_t i = 0; i < all.size(); ++i) {
    if ((mask >> i & 1) != 0) std::memcpy(static_cast<char*>(to) + i * sizeof(float), &all[i], sizeof(float));
  }
}

inline __mmask16 _mm256_cmpeq_epi16_mask(__m256i a, __m256i b) {
  const auto of_a = emulation::elements<int16_t>(a), of_b = emulation::elements<int16_t>(b);
  unsigned mask = 0;
  for (size_t i = 0; i < of_a.size(); ++i) mask |= static_cast<unsigned>(of_a[i] == of_b[i]) << i;
  return static_cast<__mmask16>(mask);
}

/// By halves, as compilers have it.
inline float _mm512_reduce_add_ps(__m512 v) {
  auto all = emulation::elements<float>(v);
  for (size_t half = all.size() / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) all[i] += all[i + half];
  }
  return all[0];
}
inline float _mm512_reduce_max_ps(__m512 v) { return std::ranges::max(emulation::elements<float>(v)); }

#undef _mm512_madd_epi16
inline __m512i _mm512_madd_epi16(__m512i a, __m512i b) {
  const auto of_a = emulation::elements<int16_t>(a), of_b = emulation::elements<int16_t>(b);
  emulation::Elements<int32_t, __m512i> sums;
  for (size_t i = 0; i < sums.size(); ++i) {
    sums[i] = of_a[2 * i] * of_b[2 * i] + of_a[2 * i + 1] * of_b[2 * i + 1];
  }
  return emulation::vector_of<__m512i>(sums);
}

inline void _tile_release() { emulation::tiles.configured = false; }
inline void _tile_loadconfig(const void* from) {
  struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } config;
  static_assert(sizeof config == 64);
  std::memcpy(&config, from, sizeof config);
  auto& tiles = emulation::tiles;
  tiles = {};
  tiles.configured = true;
  emulation::require(config.palette == 1);
  for (size_t i = 0; i < tiles.rows.size(); ++i) {
    emulation::require(config.rows[i] <= 16 && config.row_bytes[i] <= 64);
    tiles.rows[i] = config.rows[i];
    tiles.row_bytes[i] = config.row_bytes[i];
  }
}
inline void _tile_zero(int tile) {
  emulation::require(emulation::tiles.configured);
  std::memset(emulation::tiles.bytes[tile], 0, sizeof emulation::tiles.bytes[tile]);
}
inline void _tile_loadd(int tile, const void* from, int64_t stride) {
  _tile_zero(tile);
  auto& tiles = emulation::tiles;
  for (int row = 0; row < tiles.rows[tile]; ++row) {
    std::memcpy(tiles.bytes[tile][row], static_cast<const char*>(from) + row * stride, tiles.row_bytes[tile]);
  }
}
inline void _tile_stored(int tile, void* to, int64_t stride) {
  const auto& tiles = emulation::tiles;
  for (int row = 0; row < tiles.rows[tile]; ++row) {
    std::memcpy(static_cast<char*>(to) + row * stride, tiles.bytes[tile][row], tiles.row_bytes[tile]);
  }
}
inline constexpr auto _tile_dpbssd = emulation::multiply_tiles<int8_t, int8_t>;
inline constexpr auto _tile_dpbsud = emulation::multiply_tiles<int8_t, uint8_t>;
inline constexpr auto _tile_dpbusd = emulation::multiply_tiles<uint8_t, int8_t>;
inline constexpr auto _tile_dpbuud = emulation::multiply_tiles<uint8_t, uint8_t>;
