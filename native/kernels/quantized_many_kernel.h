#pragma once
// The quantized product of many inputs. The words of a panel's weights are transposed, and each is multiplied by a
// block of inputs at a time.
//
// Where an instruction set multiplies more slowly than it adds, half of the multiplications are saved as S. Winograd
// has it (A New Algorithm for Inner Product, IEEE Transactions on Computers C-17, 1968):
//   a0 w0 + a1 w1 = (a0 + w1) (a1 + w0) - a0 a1 - w0 w1
// The last two, the crosses, are summed up once for all rows and once for all inputs. An input and a code are 16 bits
// together (rounded_inputs.h); sums wrap around at 32, which what is left in the end fits again: all is exact.

#include <cstdint>

#include "quantized_codes.h"
#include "quantized_panel.h"

namespace punie::kernels {
namespace {

/// Columns whose words are transposed, and unpacked, before they are used: the words stay in L1, the pairs in L2. Every
/// group size divides it.
constexpr int64_t transposed_columns = 1024;
constexpr int64_t transposed_words = transposed_columns / 4;
constexpr int64_t transposed_pairs = transposed_columns / 2;
constexpr int64_t transposed_units = transposed_columns / 16;

template <class V>
class QuantizedMany {
  using Ints = typename V::Ints;
  using Floats = typename V::Floats;
  static constexpr int lanes = V::lanes;

 public:
  static int64_t scratch_floats(const InputLayout& layout) {
    const int64_t crossed = layout.order == InputOrder::crossed ? transposed_pairs + transposed_units : 0;
    return lanes * (transposed_words + layout.blocks() * layout.most_inputs + crossed);
  }

  QuantizedMany(const QuantizedPanel<V>& panel, const InputLayout& layout, const float* rounded, float* scratch)
      : panel_(panel),
        layout_(layout),
        rounded_(rounded),
        words_(reinterpret_cast<uint32_t*>(scratch)),
        totals_(scratch + lanes * transposed_words),
        pairs_(reinterpret_cast<uint32_t*>(totals_ + lanes * layout.blocks() * layout.most_inputs)),
        crosses_(pairs_ + lanes * transposed_pairs) {}

  template <class Codes>
  void run() const {
    constexpr int values_of_word = 2 * Codes::pairs_of_word;
    const int64_t blocks = layout_.blocks();
    const int64_t all_cols = panel_.matrix().cols;
    for (int64_t i = 0; i < blocks * layout_.most_inputs; ++i) V::store(totals_ + i * lanes, V::zero());
    for (int64_t column = 0; column < all_cols; column += transposed_columns) {
      const int64_t cols = all_cols - column < transposed_columns ? all_cols - column : transposed_columns;
      panel_.template transpose_words<Codes>(column, cols / values_of_word, words_);
      if constexpr (V::crosses && Codes::parts == 1) {
        if (layout_.order == InputOrder::crossed) unpack_pairs<Codes>(cols);
      }
      // The next panel's weights, a line for each word.
      const char* ahead = panel_.weights(0) + lanes * (panel_.row_bytes() + column * Codes::bits / 8);
      for (int64_t b = 0; b < blocks; ++b) multiply_block<Codes>(b, column, cols, ahead);
    }
    for (int64_t i = 0; i < layout_.n; ++i) {
      panel_.store(V::load(totals_ + i * lanes), i);
    }
  }

 private:
  /// The pairs of the transposed words, and minus their crosses for each unit.
  template <class Codes>
  void unpack_pairs(int64_t cols) const {
    constexpr int pairs_of_word = Codes::pairs_of_word;
    const uint32_t* word = words_;
    uint32_t* to = pairs_;
    const int64_t unit_words = layout_.unit / (2 * pairs_of_word);
    for (int64_t unit = 0; unit < cols / layout_.unit; ++unit) {
      Ints cross = V::zero_ints();
      for (int64_t w = 0; w < unit_words; ++w) {
        const Codes codes(V::load_ints(word));
        word += lanes;
        const auto unpack = [&]<int k>() {
          const Ints even = codes.template pair<k, 0>(), odd = codes.template pair<k + 1, 0>();
          V::store_ints(to, even);
          V::store_ints(to + lanes, odd);
          to += 2 * lanes;
          cross = V::add_dot(cross, even, odd);
        };
        unpack.template operator()<0>();
        if constexpr (pairs_of_word == 4) unpack.template operator()<2>();
      }
      V::store_ints(crosses_ + unit * lanes, V::subtract(V::zero_ints(), cross));
    }
  }

  template <class Codes>
  void multiply_block(int64_t block, int64_t column, int64_t cols, const char* ahead) const {
    switch (layout_.width(block)) {
#define PUNIE_WIDTH(width)                                                                                           \
  case width:                                                                                                        \
    if constexpr (width <= V::most_inputs) {                                                                         \
      if constexpr (V::crosses && Codes::parts == 1) {                                                               \
        if (layout_.order == InputOrder::crossed) return multiply_crossed<Codes, width>(block, column, cols, ahead); \
      }                                                                                                              \
      return multiply_inputs<Codes, width>(block, column, cols, ahead);                                              \
    }                                                                                                                \
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
          panel_.template add_unit<Codes>(totals[i], V::to_floats(dots[i]), unit, scales + i, sums + i, width);
        }
      } else {
        Ints high[width];
        multiply_part.template operator()<1>(high);
        const Floats step = V::set(Codes::part_step);
        for (int i = 0; i < width; ++i) {
          const Floats dot = V::fma(V::to_floats(high[i]), step, V::to_floats(dots[i]));
          panel_.template add_unit<Codes>(totals[i], dot, unit, scales + i, sums + i, width);
        }
      }
      words += unit_words * lanes;
      pairs += unit_words * pairs_of_word * width;
    }
    for (int i = 0; i < width; ++i) V::store(stored + i * lanes, totals[i]);
  }

  /// The unpacked pairs against one block of inputs, with half as many multiplications.
  template <class Codes, int width>
  void multiply_crossed(int64_t block, int64_t column, int64_t cols, const char* ahead) const {
    const float* input = rounded_ + layout_.offset(block);
    const float* scales = input + width * layout_.pairs;
    const float* sums = scales + width * layout_.units;
    const auto* input_crosses = reinterpret_cast<const int32_t*>(sums + width * layout_.groups);
    const int32_t* pairs = reinterpret_cast<const int32_t*>(input) + column / 2 * width;
    const uint32_t* weights = pairs_;
    const uint32_t* crosses = crosses_;
    const int64_t unit_bytes = layout_.unit * Codes::bits / 8 * lanes;
    float* stored = totals_ + block * layout_.most_inputs * lanes;

    Floats totals[width];
    for (int i = 0; i < width; ++i) totals[i] = V::load(stored + i * lanes);
    for (int64_t unit = column / layout_.unit; unit < (column + cols) / layout_.unit; ++unit) {
      Ints dots[width];
      const Ints cross = V::load_ints(crosses);
      crosses += lanes;
      for (int i = 0; i < width; ++i) dots[i] = V::add(cross, V::broadcast_pair(input_crosses + unit * width + i));
      int64_t left = layout_.unit / 4;
      do {  // at least once: see above
        Ints even = V::load_ints(weights), odd = V::load_ints(weights + lanes);
        V::keep(even);
        V::keep(odd);
        weights += 2 * lanes;
#pragma GCC unroll 12
        for (int i = 0; i < width; ++i) {
          Ints a = V::broadcast_pair(pairs + i), b = V::broadcast_pair(pairs + width + i);
          V::keep(a);
          V::keep(b);
          dots[i] = V::add_dot(dots[i], V::add_shorts(odd, a), V::add_shorts(even, b));
        }
        pairs += 2 * width;
      } while (--left > 0);
      for (int64_t line = 0; line < unit_bytes; line += line_bytes) V::prefetch(ahead + line);
      ahead += unit_bytes;
      for (int i = 0; i < width; ++i) {
        panel_.template add_unit<Codes>(totals[i], V::to_floats(dots[i]), unit, scales + i, sums + i, width);
      }
    }
    for (int i = 0; i < width; ++i) V::store(stored + i * lanes, totals[i]);
  }

  const QuantizedPanel<V>& panel_;
  const InputLayout& layout_;
  const float* rounded_;
  uint32_t* words_;    // [words of transposed_columns][lanes]
  float* totals_;      // [inputs][lanes]
  uint32_t* pairs_;    // [pairs of transposed_columns][lanes]
  uint32_t* crosses_;  // [units of transposed_columns][lanes]
};

}  // namespace
}  // namespace punie::kernels
