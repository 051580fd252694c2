#pragma once
// The quantized product of many inputs. The words of a panel's weights are transposed, and each is multiplied by a
// block of inputs at a time.

#include <cstdint>

#include "quantized_codes.h"
#include "quantized_panel.h"

namespace punie::kernels {
namespace {

/// Columns whose words are transposed before they are used: these stay in L1. Every group size divides it.
constexpr int64_t transposed_columns = 1024;
constexpr int64_t transposed_words = transposed_columns / 4;

template <class V>
class QuantizedMany {
  using Ints = typename V::Ints;
  using Floats = typename V::Floats;
  static constexpr int lanes = V::lanes;

 public:
  static int64_t scratch_floats(const InputLayout& layout) {
    return lanes * (transposed_words + layout.blocks() * layout.most_inputs);
  }

  QuantizedMany(const QuantizedPanel<V>& panel, const InputLayout& layout, const float* rounded, float* scratch)
      : panel_(panel),
        layout_(layout),
        rounded_(rounded),
        words_(reinterpret_cast<uint32_t*>(scratch)),
        totals_(scratch + lanes * transposed_words) {}

  template <class Codes>
  void run() const {
    constexpr int values_of_word = 2 * Codes::pairs_of_word;
    const int64_t blocks = layout_.blocks();
    const int64_t all_cols = panel_.matrix().cols;
    for (int64_t i = 0; i < blocks * layout_.most_inputs; ++i) V::store(totals_ + i * lanes, V::zero());
    for (int64_t column = 0; column < all_cols; column += transposed_columns) {
      const int64_t cols = all_cols - column < transposed_columns ? all_cols - column : transposed_columns;
      panel_.template transpose_words<Codes>(column, cols / values_of_word, words_);
      // The next panel's weights, a line for each word.
      const char* ahead = panel_.weights(0) + lanes * (panel_.row_bytes() + column * Codes::bits / 8);
      for (int64_t b = 0; b < blocks; ++b) multiply_block<Codes>(b, column, cols, ahead);
    }
    for (int64_t i = 0; i < layout_.n; ++i) {
      panel_.store(V::load(totals_ + i * lanes), i);
    }
  }

 private:
  template <class Codes>
  void multiply_block(int64_t block, int64_t column, int64_t cols, const char* ahead) const {
    switch (layout_.width(block)) {
#define PUNIE_WIDTH(width)                                              \
  case width:                                                           \
    if constexpr (width <= V::most_inputs) {                            \
      return multiply_inputs<Codes, width>(block, column, cols, ahead); \
    }                                                                   \
    break;
      PUNIE_WIDTH(3)
      PUNIE_WIDTH(4)
      PUNIE_WIDTH(5)
      PUNIE_WIDTH(6)
      PUNIE_WIDTH(7)
      PUNIE_WIDTH(8)
      PUNIE_WIDTH(10)
      PUNIE_WIDTH(12)
#undef PUNIE_WIDTH
    }
  }

  /// The transposed words against one block of inputs.
  template <class Codes, int width>
  void multiply_inputs(int64_t block, int64_t column, int64_t cols, const char* ahead) const {
    constexpr int pairs_of_word = Codes::pairs_of_word;
    constexpr int64_t word_bytes = int64_t{lanes} * (2 * pairs_of_word) * Codes::bits / 8;
    const float* input = rounded_ + layout_.offset(block);
    const float* scales = input + width * layout_.pairs;
    const float* sums = scales + width * layout_.units;
    const int32_t* pairs = reinterpret_cast<const int32_t*>(input) + column / 2 * width;
    const uint32_t* words = words_;
    const int64_t unit_words = layout_.unit / (2 * pairs_of_word);
    float* stored = totals_ + block * layout_.most_inputs * lanes;

    Floats totals[width];
    for (int i = 0; i < width; ++i) totals[i] = V::load(stored + i * lanes);
    for (int64_t unit = column / layout_.unit; unit < (column + cols) / layout_.unit; ++unit) {
      // One part of the codes after the other: the sums of both would not stay in registers.
      const auto multiply_part = [&]<int part>(Ints(&dots)[width]) {
        const uint32_t* word_at = words;
        const int32_t* pair_at = pairs;
        for (int i = 0; i < width; ++i) dots[i] = V::zero_ints();
        int64_t left = unit_words;
        do {  // at least once: else compilers keep the sums in memory
          if constexpr (part == 0) {
            V::prefetch(ahead);
            ahead += word_bytes;
          }
          Ints word = V::load_ints(word_at);
          word_at += lanes;
          V::keep(word);
          const Codes codes(word);
          const auto multiply = [&]<int k>() {
            const auto weights = V::weights_of(codes.template pair<k, part>());
            for (int i = 0; i < width; ++i) {
              dots[i] = V::add_dot(dots[i], weights, V::broadcast_pair(pair_at + k * width + i));
            }
          };
          multiply.template operator()<0>();
          multiply.template operator()<1>();
          if constexpr (pairs_of_word == 4) {
            multiply.template operator()<2>();
            multiply.template operator()<3>();
          }
          pair_at += pairs_of_word * width;
        } while (--left > 0);
      };
      Ints dots[width];
      multiply_part.template operator()<0>(dots);
      if constexpr (Codes::parts == 1) {
        for (int i = 0; i < width; ++i) {
          panel_.template add_unit<Codes::affine>(totals[i], V::to_floats(dots[i]), unit, scales + i, sums + i, width);
        }
      } else {
        Ints high[width];
        multiply_part.template operator()<1>(high);
        const Floats step = V::set(Codes::part_step);
        for (int i = 0; i < width; ++i) {
          const Floats dot = V::fma(V::to_floats(high[i]), step, V::to_floats(dots[i]));
          panel_.template add_unit<Codes::affine>(totals[i], dot, unit, scales + i, sums + i, width);
        }
      }
      words += unit_words * lanes;
      pairs += unit_words * pairs_of_word * width;
    }
    for (int i = 0; i < width; ++i) V::store(stored + i * lanes, totals[i]);
  }

  const QuantizedPanel<V>& panel_;
  const InputLayout& layout_;
  const float* rounded_;
  uint32_t* words_;  // [words of transposed_columns][lanes]
  float* totals_;    // [inputs][lanes]
};

}  // namespace
}  // namespace punie::kernels
