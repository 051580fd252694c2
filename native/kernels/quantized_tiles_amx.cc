// The quantized product of several inputs with AMX (Sapphire Rapids and later).
//
// An instruction multiplies a tile of 16 inputs, a row of bytes each, by a tile of 16 weight rows' bytes, four columns
// deep a tile row, and adds to a tile of 16 x 16 sums of 32 bits. A tile is as deep as a unit, for whose sums there is
// a scale. An input's high and low bytes are multiplied apart, and their sums are put together in 32 bits: so a dot
// product is exact, and the result has the bits of every other instruction set's.
//
// Sums reach registers by way of memory only. Meanwhile the next unit is multiplied, into two other tiles.

#include <immintrin.h>

#include <algorithm>
#include <optional>

#include "affine_widths.h"
#include "quantized_codes.h"
#include "quantized_panel.h"
#include "quantized_tiles.h"
#include "vectors_avx512.h"

namespace punie::kernels {
namespace {

using V = Avx512;
using Ints = V::Ints;
using Floats = V::Floats;
using Panel = QuantizedPanel<V>;

constexpr int lanes = V::lanes;
constexpr int64_t row_bytes = 64;
constexpr int64_t tile_sums = 16 * lanes;

/// Panels that a block of inputs meets one after another, and columns whose tiles are made before they are used: both
/// together stay in L1. Every group size divides the columns.
constexpr int most_panels = 4;
constexpr int64_t tiled_columns = 512;
constexpr int64_t panel_words = tiled_columns / 4 * lanes;

/// What LDTILECFG reads (Intel's manual, volume 1, 18.3).
struct alignas(64) TileShapes {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t bytes_of_row[16] = {};
  uint8_t rows[16] = {};

  TileShapes(int inputs, int64_t unit) {
    for (int tile = 0; tile < 4; ++tile) set(tile, inputs, row_bytes);
    set(4, inputs, unit);
    set(5, inputs, unit);
    set(6, static_cast<int>(unit / 4), row_bytes);
  }

 private:
  void set(int tile, int count, int64_t bytes) {
    rows[tile] = static_cast<uint8_t>(count);
    bytes_of_row[tile] = static_cast<uint16_t>(bytes);
  }
};
static_assert(sizeof(TileShapes) == 64);

class QuantizedTiles {
 public:
  static int64_t scratch_floats(const InputLayout& layout) {
    return most_panels * (Panel::scratch_floats(layout) + lanes * layout.n + panel_words) + panel_words + 4 * tile_sums;
  }

  QuantizedTiles(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias, float* y,
                 float* scratch)
      : layout_(layout),
        rounded_(rounded),
        totals_(scratch + most_panels * Panel::scratch_floats(layout)),
        tiles_(reinterpret_cast<uint32_t*>(totals_ + most_panels * lanes * layout.n)),
        words_(tiles_ + most_panels * panel_words),
        sums_(reinterpret_cast<int32_t*>(words_ + panel_words)) {
    for (int i = 0; i < most_panels; ++i) {
      panels_[i].emplace(w, layout, bias, y, scratch + i * Panel::scratch_floats(layout));
    }
  }
  ~QuantizedTiles() { _tile_release(); }

  template <class Codes>
  void multiply_rows(int64_t begin, int64_t end) {
    const int64_t all_cols = panels_[0]->matrix().cols;
    for (int64_t row = begin; row < end; row += most_panels * lanes) {
      const int panels = static_cast<int>(std::min<int64_t>(most_panels, (end - row + lanes - 1) / lanes));
      for (int p = 0; p < panels; ++p) panels_[p]->move_to<Codes>(row + p * lanes, end);
      std::fill(totals_, totals_ + panels * lanes * layout_.n, 0.0f);
      for (int64_t column = 0; column < all_cols; column += tiled_columns) {
        const int64_t cols = std::min(all_cols - column, tiled_columns);
        for (int p = 0; p < panels; ++p) make_tiles<Codes>(p, column, cols);
        for (int64_t block = 0; block < layout_.blocks(); ++block) {
          for (int p = 0; p < panels; ++p) {
            if (layout_.width(block) == tile_inputs) {
              multiply_block<Codes, true>(p, block, column, cols);
            } else {
              multiply_block<Codes, false>(p, block, column, cols);
            }
          }
        }
      }
      for (int p = 0; p < panels; ++p) {
        for (int64_t i = 0; i < layout_.n; ++i) panels_[p]->store(V::load(totals(p, i)), i);
      }
    }
  }

 private:
  float* totals(int panel, int64_t input) const { return totals_ + (panel * layout_.n + input) * lanes; }
  uint32_t* tiles(int panel) const { return tiles_ + panel * panel_words; }

  /// Tiles of the panel's codes, a byte each. Asks for the codes in the same place of the panels to come.
  template <class Codes>
  void make_tiles(int p, int64_t column, int64_t cols) {
    constexpr int values_of_word = 2 * Codes::pairs_of_word;
    const Panel& panel = *panels_[p];
    const int64_t ahead = most_panels * lanes * panel.row_bytes() + column * Codes::bits / 8;
    for (int r = 0; r < lanes; ++r) prefetch_lines<V>(panel.weights(r) + ahead, cols * Codes::bits / 8);
    uint32_t* to = tiles(p);
    if constexpr (values_of_word == 4) {
      panel.transpose_words<Codes>(column, cols / values_of_word, to);
    } else {
      panel.transpose_words<Codes>(column, cols / values_of_word, words_);
      for (int64_t word = 0; word < cols / values_of_word; ++word) {
        const Ints nibbles = V::load_ints(words_ + word * lanes);
        V::store_ints(to, bytes_of<Codes>(nibbles));
        V::store_ints(to + lanes, bytes_of<Codes>(_mm512_srli_epi32(nibbles, 4)));
        to += 2 * lanes;
      }
    }
    // Compilers know nothing of what tiles are loaded from.
    asm volatile("" ::: "memory");
  }

  /// What the low nibble of each byte stands for.
  template <class Codes>
  static Ints bytes_of(Ints nibbles) {
    const Ints codes = _mm512_and_si512(nibbles, _mm512_set1_epi8(15));
    if constexpr (Codes::affine) {
      return codes;
    } else {
      const Ints table = _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(e2m1_halves)));
      return _mm512_shuffle_epi8(table, codes);
    }
  }

  template <class Codes, bool full>
  void multiply_block(int p, int64_t block, int64_t column, int64_t cols) {
    const Panel& panel = *panels_[p];
    const int width = full ? tile_inputs : layout_.width(block);
    shape_tiles(width);
    const float* input = rounded_ + layout_.offset(block);
    const float* scales = input + width * layout_.pairs;
    const float* sums = scales + width * layout_.units;
    const int64_t first = column / layout_.unit, end = (column + cols) / layout_.unit;
    float* stored = totals(p, block * tile_inputs);
    const Operands operands{reinterpret_cast<const char*>(input) + first * 2 * width * layout_.unit,
                            reinterpret_cast<const char*>(tiles(p)), layout_.unit, width};

    Floats totals[tile_inputs];
#pragma GCC unroll 16
    for (int i = 0; i < width; ++i) totals[i] = V::load(stored + i * lanes);
    const auto add = [&]<int pair>(int64_t unit) __attribute__((always_inline)) {
      const int32_t* high = sums_ + pair * tile_sums;
      const int32_t* low = high + tile_sums;
      const Floats scale = panel.scale(unit);
#pragma GCC unroll 16
      for (int i = 0; i < width; ++i) {
        const Ints dot =
            V::add(_mm512_slli_epi32(_mm512_load_si512(high + i * lanes), 8), _mm512_load_si512(low + i * lanes));
        totals[i] = V::fma(V::to_floats(dot), V::multiply(scale, V::set(scales[unit * width + i])), totals[i]);
      }
      if (!panel.ends_group<Codes::affine>(unit)) return;
      const float* group_sums = sums + panel.group_of(unit) * width;
      const Floats bias = panel.bias(unit);
#pragma GCC unroll 16
      for (int i = 0; i < width; ++i) totals[i] = V::fma(bias, V::set(group_sums[i]), totals[i]);
    };
    multiply_unit<Codes, 0>(operands, 0);
    for (int64_t unit = first; unit < end; unit += 2) {
      if (unit + 1 < end) multiply_unit<Codes, 2>(operands, unit + 1 - first);
      store_sums<0>();
      add.template operator()<0>(unit);
      if (unit + 1 == end) break;
      if (unit + 2 < end) multiply_unit<Codes, 0>(operands, unit + 2 - first);
      store_sums<2>();
      add.template operator()<2>(unit + 1);
    }
#pragma GCC unroll 16
    for (int i = 0; i < width; ++i) V::store(stored + i * lanes, totals[i]);
  }

  struct Operands {
    const char* inputs;
    const char* weights;
    int64_t unit;
    int width;
  };

  /// Sums of high bytes into tile `pair`, of low bytes into the next. Tiles' numbers have to stand in the text.
  template <class Codes, int pair>
  [[gnu::always_inline]] void multiply_unit(const Operands& of, int64_t unit) const {
    const char* high = of.inputs + unit * 2 * of.width * of.unit;
    const char* low = high + of.width * of.unit;
    _tile_loadd(6, of.weights + unit * of.unit * lanes, row_bytes);
    _tile_loadd(4, high, of.unit);
    _tile_loadd(5, low, of.unit);
    if constexpr (pair == 0) {
      _tile_zero(0);
      _tile_zero(1);
      if constexpr (Codes::affine) {
        _tile_dpbsud(0, 4, 6);
        _tile_dpbuud(1, 5, 6);
      } else {
        _tile_dpbssd(0, 4, 6);
        _tile_dpbusd(1, 5, 6);
      }
    } else {
      _tile_zero(2);
      _tile_zero(3);
      if constexpr (Codes::affine) {
        _tile_dpbsud(2, 4, 6);
        _tile_dpbuud(3, 5, 6);
      } else {
        _tile_dpbssd(2, 4, 6);
        _tile_dpbusd(3, 5, 6);
      }
    }
  }

  template <int pair>
  [[gnu::always_inline]] void store_sums() const {
    if constexpr (pair == 0) {
      _tile_stored(0, sums_, row_bytes);
      _tile_stored(1, sums_ + tile_sums, row_bytes);
    } else {
      _tile_stored(2, sums_ + 2 * tile_sums, row_bytes);
      _tile_stored(3, sums_ + 3 * tile_sums, row_bytes);
    }
  }

  void shape_tiles(int inputs) {
    if (inputs == shaped_inputs_) return;
    const TileShapes shapes(inputs, layout_.unit);
    _tile_loadconfig(&shapes);
    shaped_inputs_ = inputs;
  }

  std::optional<Panel> panels_[most_panels];
  const InputLayout& layout_;
  const float* rounded_;
  float* totals_;    // [panels][inputs][lanes]
  uint32_t* tiles_;  // [panels][tiled_columns / 4][lanes], four bytes each
  uint32_t* words_;  // [words of tiled_columns][lanes]
  int32_t* sums_;    // [4 tiles][inputs][lanes]
  int shaped_inputs_ = 0;
};

}  // namespace

int64_t tiles_scratch_floats(const InputLayout& layout) { return QuantizedTiles::scratch_floats(layout); }

void multiply_tiles_amx(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                        float* y, int64_t begin, int64_t end, float* scratch) {
  QuantizedTiles tiles(w, layout, rounded, bias, y, scratch);
  if (w.mode != QuantizationMode::affine) return tiles.multiply_rows<E2m1Codes<V>>(begin, end);
  with_width(w.bits, [&]<int bits>() { tiles.multiply_rows<WholeCodes<V, bits>>(begin, end); });
}

}  // namespace punie::kernels
