#pragma once
// The quantized product of many inputs with half of the multiplications, as S. Winograd saves them (A New Algorithm
// for Inner Product, IEEE Transactions on Computers C-17, 1968), for processors that add faster than they multiply:
//   a0 w0 + a1 w1 = (a0 + w1) (a1 + w0) - a0 a1 - w0 w1
// The last two, the crosses, are summed up once for all rows and once for all inputs. An input and a code are 16 bits
// together (rounded_inputs.h); sums wrap around at 32, which what is left in the end fits again: all is exact.
//
// A pair of inputs that is spread over a vector meets two panels of rows, a twin: with one, such loads would take as
// long as the sums. A part of a twin's columns stays in L1 while all inputs meet it, and these inputs' part in L2 while
// several twins do.

#include <algorithm>
#include <array>
#include <optional>

#include "quantized_codes.h"
#include "quantized_panel.h"

namespace punie::kernels {
namespace {

template <class V>
class QuantizedCrossed {
  using Ints = typename V::Ints;
  using Floats = typename V::Floats;
  using Panel = QuantizedPanel<V>;
  static constexpr int lanes = V::lanes;
  static constexpr int twin = 2;  // panels
  static constexpr int most_twins = 4;
  /// Columns that are unpacked before they are used, a part; every group size divides it.
  static constexpr int64_t unpacked_columns = 256;
  static constexpr int64_t unpacked_words = unpacked_columns / 4 * lanes;
  static constexpr int64_t unpacked_pairs = twin * unpacked_columns / 2 * lanes;
  static constexpr int64_t unpacked_crosses = twin * unpacked_columns / 16 * lanes;

 public:
  static int64_t scratch_floats(const InputLayout& layout) {
    return most_twins *
               (twin * Panel::scratch_floats(layout) + twin_totals(layout) + unpacked_pairs + unpacked_crosses) +
           unpacked_words;
  }

  QuantizedCrossed(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                   float* y, float* scratch)
      : cols_(w.cols), layout_(layout), block_floats_(layout.offset(1)), rounded_(rounded) {
    const auto take = [&](int64_t floats) {
      float* taken = scratch;
      scratch += floats;
      return taken;
    };
    const auto take_words = [&](int64_t words) { return reinterpret_cast<uint32_t*>(take(words)); };
    words_ = take_words(unpacked_words);
    for (Twin& t : twins_) {
      for (auto& panel : t.panels) panel.emplace(w, layout, bias, y, take(Panel::scratch_floats(layout)));
      t.totals = take(twin_totals(layout));
      t.pairs = take_words(unpacked_pairs);
      t.crosses = take_words(unpacked_crosses);
    }
  }

  /// y's columns [begin, end).
  template <class Codes>
  void multiply_rows(int64_t begin, int64_t end) {
    constexpr int64_t twin_rows = twin * lanes;
    for (int64_t row = begin; row < end; row += most_twins * twin_rows) {
      int twins = 0;
      for (; twins < most_twins && row + twins * twin_rows < end; ++twins) {
        twins_[twins].template move_to<Codes>(row + twins * twin_rows, end, twin_totals(layout_));
      }
      for (int64_t column = 0; column < cols_; column += unpacked_columns) {
        const int64_t cols = cols_ - column < unpacked_columns ? cols_ - column : unpacked_columns;
        const Part part{column / layout_.unit, cols / layout_.unit};
        for (int t = 0; t < twins; ++t) {
          unpack<Codes>(twins_[t], column, cols);
          multiply_blocks<Codes::affine>(twins_[t], part);
        }
      }
      for (int t = 0; t < twins; ++t) store(twins_[t]);
    }
  }

 private:
  struct Part {
    int64_t first_unit;
    int64_t units;
  };

  /// Two panels, or one where there are no more rows, and what has come of them.
  struct Twin {
    std::array<std::optional<Panel>, twin> panels;
    int count = 0;
    float* totals;               // [inputs][panels][lanes]
    uint32_t* pairs;             // [unpacked_columns / 4][panels][2][lanes]
    uint32_t* crosses;           // [units of unpacked_columns][panels][lanes]
    const char* next = nullptr;  // of its first row
    int64_t next_bytes = 0;      // of a row

    template <class Codes>
    void move_to(int64_t row, int64_t end, int64_t floats) {
      for (count = 0; count < twin && row + count * lanes < end; ++count) {
        panels[count]->template move_to<Codes>(row + count * lanes, end);
      }
      for (int64_t i = 0; i < floats; i += lanes) V::store(totals + i, V::zero());
    }
  };

  static int64_t twin_totals(const InputLayout& layout) { return twin * layout.blocks() * layout.most_inputs * lanes; }

  /// The columns as pairs, and minus their crosses for each unit.
  template <class Codes>
  void unpack(Twin& t, int64_t column, int64_t cols) const {
    constexpr int values_of_word = 2 * Codes::pairs_of_word;
    for (int p = 0; p < t.count; ++p) {
      t.panels[p]->template transpose_words<Codes>(column, cols / values_of_word, words_);
      unpack_words<Codes>(words_, cols / layout_.unit, layout_.unit / values_of_word, t.count, t.pairs + 2 * p * lanes,
                          t.crosses + p * lanes);
    }
    // The weights that this twin needs next, here or in the rows after these.
    const bool last = column + cols == cols_;
    const int64_t next_column = last ? 0 : column + cols;
    t.next = t.panels[0]->weights(0) + (last ? most_twins * twin * lanes * t.panels[0]->row_bytes() : 0) +
             next_column * Codes::bits / 8;
    t.next_bytes = std::min(unpacked_columns, cols_ - next_column) * Codes::bits / 8;
  }

  /// Words of one panel. By itself, as compilers else keep counters in memory.
  template <class Codes>
  [[gnu::noinline]] static void unpack_words(const uint32_t* words, int64_t units, int64_t unit_words, int64_t panels,
                                             uint32_t* pairs, uint32_t* crosses) {
    for (; units > 0; --units) {
      Ints cross = V::zero_ints();
      for (int64_t left = unit_words; left > 0; --left) {
        const Codes codes(V::load_ints(words));
        words += lanes;
        const auto unpack_two = [&]<int k>() {
          const Ints even = codes.template pair<k, 0>(), odd = codes.template pair<k + 1, 0>();
          V::store_ints(pairs, even);
          V::store_ints(pairs + lanes, odd);
          pairs += 2 * panels * lanes;
          cross = V::add_dot(cross, even, odd);
        };
        unpack_two.template operator()<0>();
        if constexpr (Codes::pairs_of_word == 4) unpack_two.template operator()<2>();
      }
      V::store_ints(crosses, V::subtract(V::zero_ints(), cross));
      crosses += panels * lanes;
    }
  }

  /// Asks memory for a part of the twin's next weights, the one of `units` that `unit` is: all at once they would keep
  /// what is loaded meanwhile waiting.
  static void ask_for_weights(const Twin& t, int64_t unit, int64_t units) {
    const int64_t rows = t.count * lanes;
    for (int64_t row = rows * unit / units; row < rows * (unit + 1) / units; ++row) {
      prefetch_lines<V>(t.next + row * t.panels[0]->row_bytes(), t.next_bytes);
    }
  }

  /// Asks for a unit of the next block of inputs, and returns where it ends: with every block another place begins,
  /// which processors do not foresee. Twins after the first find the block in L2, and need it asked for its beginning
  /// only.
  static const float* ask_for_inputs(const float* input, int64_t floats) {
    for (int64_t i = 0; i < floats; i += line_bytes / 4) V::prefetch_near(reinterpret_cast<const char*>(input + i));
    return input + floats;
  }

  /// A twin against all inputs.
  template <bool affine>
  void multiply_blocks(const Twin& t, const Part& part) const {
    const int64_t whole = layout_.n / V::crossed_inputs;
    if (whole > 0) multiply_width<affine, V::crossed_inputs>(t, 0, whole, part);
    if (whole == layout_.blocks()) return;
    static_assert(V::crossed_inputs == 4 || V::crossed_inputs == 6);
    switch (layout_.width(whole)) {
      case 3:
        return multiply_width<affine, 3>(t, whole, whole + 1, part);
      case 4:
        return multiply_width<affine, 4>(t, whole, whole + 1, part);
      case 5:
        if constexpr (V::crossed_inputs > 4) return multiply_width<affine, 5>(t, whole, whole + 1, part);
        break;
    }
  }

  template <bool affine, int width>
  void multiply_width(const Twin& t, int64_t block, int64_t end, const Part& part) const {
    if (t.count == 2) {
      multiply<affine, 2, width>(t, block, end, part);
    } else {
      multiply<affine, 1, width>(t, block, end, part);
    }
  }

  /// The unpacked pairs against blocks of inputs. By itself, as the registers are all needed here.
  template <bool affine, int panels, int width>
  [[gnu::noinline]] void multiply(const Twin& t, int64_t block, int64_t end, const Part& part) const {
    const int64_t steps = layout_.unit / 4, unit_floats = layout_.crossed_unit_floats();
    for (; block < end; ++block) {
      const float* input = rounded_ + block * block_floats_ + part.first_unit * unit_floats * width;
      const uint32_t* weights = t.pairs;
      const uint32_t* crosses = t.crosses;
      float* totals = t.totals + block * layout_.most_inputs * panels * lanes;

      const bool asks_for_weights = block == 0, asks_for_inputs = block + 1 < layout_.blocks();
      const int64_t next_floats = asks_for_inputs ? unit_floats * layout_.width(block + 1) : 0;
      const float* next = rounded_ + (block + 1) * block_floats_ + part.first_unit * next_floats;
      // All loops over sums are unrolled: else compilers keep them in memory.
      for (int64_t unit = part.first_unit; unit < part.first_unit + part.units; ++unit) {
        if (asks_for_weights) ask_for_weights(t, unit - part.first_unit, part.units);
        if (asks_for_inputs && (unit == part.first_unit || &t == twins_)) next = ask_for_inputs(next, next_floats);
        const auto* pairs = reinterpret_cast<const int32_t*>(input);
        const float* scales = input + steps * 2 * width;
        const int32_t* input_crosses = pairs + (steps * 2 + 2) * width;
        Ints dots[width][panels];
        if constexpr (requires { V::sum_crossed(weights, pairs, steps, crosses, input_crosses, dots); }) {
          V::sum_crossed(weights, pairs, steps, crosses, input_crosses, dots);
        } else {
          sum_steps(weights, pairs, steps, crosses, input_crosses, dots);
        }
        crosses += panels * lanes;
        weights += steps * 2 * panels * lanes;
        input += unit_floats * width;
        add_unit<affine>(t, unit, dots, scales, totals);
      }
    }
  }

  /// Both crosses, and `steps` times (a + odd) (b + even) of a block of inputs and some panels.
  template <int panels, int width>
  static void sum_steps(const uint32_t* weights, const int32_t* pairs, int64_t steps, const uint32_t* crosses,
                        const int32_t* input_crosses, Ints (&sums)[width][panels]) {
#pragma GCC unroll 2
    for (int p = 0; p < panels; ++p) {
      const Ints cross = V::load_ints(crosses + p * lanes);
#pragma GCC unroll 8
      for (int i = 0; i < width; ++i) sums[i][p] = V::add(cross, V::broadcast_pair(input_crosses + i));
    }
    do {  // at least once: else compilers keep the sums in memory
      Ints even[panels], odd[panels];
#pragma GCC unroll 2
      for (int p = 0; p < panels; ++p) {
        even[p] = V::load_ints(weights + 2 * p * lanes);
        odd[p] = V::load_ints(weights + (2 * p + 1) * lanes);
        V::keep(even[p]);
        V::keep(odd[p]);
      }
      weights += 2 * panels * lanes;
#pragma GCC unroll 8
      for (int i = 0; i < width; ++i) {
        Ints a = V::broadcast_pair(pairs + i), b = V::broadcast_pair(pairs + width + i);
        V::keep(a);
        V::keep(b);
#pragma GCC unroll 2
        for (int p = 0; p < panels; ++p) {
          sums[i][p] = V::add_dot(sums[i][p], V::add_shorts(odd[p], a), V::add_shorts(even[p], b));
          V::keep(sums[i][p]);
        }
      }
      pairs += 2 * width;
    } while (--steps > 0);
  }

  /// Adds what a unit makes with a block of inputs to its totals. After the inputs' scales come their groups' sums.
  template <bool affine, int panels, int width>
  static void add_unit(const Twin& t, int64_t unit, const Ints (&dots)[width][panels], const float* scales,
                       float* totals) {
    const bool ends_group = t.panels[0]->template ends_group<affine>(unit);
    Floats scale[panels], bias[panels];
#pragma GCC unroll 2
    for (int p = 0; p < panels; ++p) {
      scale[p] = t.panels[p]->scale(unit);
      bias[p] = ends_group ? t.panels[p]->bias(unit) : V::zero();
    }
#pragma GCC unroll 8
    for (int i = 0; i < width; ++i) {
      const Floats input_scale = V::set(scales[i]), group_sum = V::set(scales[width + i]);
#pragma GCC unroll 2
      for (int p = 0; p < panels; ++p) {
        float* at = totals + (i * panels + p) * lanes;
        Floats total = V::fma(V::to_floats(dots[i][p]), V::multiply(scale[p], input_scale), V::load(at));
        if (ends_group) total = V::fma(bias[p], group_sum, total);
        V::store(at, total);
      }
    }
  }

  void store(const Twin& t) const {
    for (int64_t i = 0; i < layout_.n; ++i)
      for (int p = 0; p < t.count; ++p) t.panels[p]->store(V::load(t.totals + (i * t.count + p) * lanes), i);
  }

  const int64_t cols_;
  const InputLayout& layout_;
  const int64_t block_floats_;  // from a block of inputs to the next
  const float* rounded_;
  uint32_t* words_;  // [unpacked_columns / 4][lanes], of one panel
  Twin twins_[most_twins];
};

}  // namespace
}  // namespace punie::kernels
