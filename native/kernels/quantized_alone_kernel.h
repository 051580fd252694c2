#pragma once
// The quantized product of one input, by 16-bit multiplications. To transpose its weights would cost more than the
// rest: a row is multiplied as it lies, and the sums of a unit, one vector for each row, are brought together.

#include <cstdint>

#include "quantized_codes.h"
#include "quantized_panel.h"

namespace punie::kernels {
namespace {

/// Steps of a panel that weights are asked of memory before their use: some microseconds of a core's share of it.
constexpr int64_t steps_ahead = 12;

template <class V>
class QuantizedAlone {
  using Ints = typename V::Ints;
  using Floats = typename V::Floats;
  static constexpr int lanes = V::lanes;

 public:
  QuantizedAlone(const QuantizedPanel<V>& panel, const InputLayout& layout, const float* rounded)
      : panel_(panel), layout_(layout), rounded_(rounded) {}

  template <class Codes>
  void run() const {
    if constexpr (Codes::affine && V::most_bytes > 0) {
      return;  // multiplied as bytes, elsewhere
    } else if constexpr (V::alone && Codes::affine) {
      layout_.unit < most_unit_columns ? multiply<Codes, 32>() : multiply<Codes, 64>();
    } else if constexpr (V::alone && Codes::bits == 4) {
      layout_.unit < 32 ? multiply<Codes, 16>() : multiply<Codes, 32>();
    } else if constexpr (V::alone) {
      multiply<Codes, 32>();
    }
  }

 private:
  template <class Codes, int unit>
  void multiply() const {
    constexpr int values_of_word = 2 * Codes::pairs_of_word;
    constexpr int pairs_of_word = Codes::pairs_of_word;
    constexpr int unit_words = unit / values_of_word;
    constexpr int units = unit_words < lanes ? lanes / unit_words : 1;    // of a step
    constexpr int vectors = unit_words < lanes ? 1 : unit_words / lanes;  // of a step
    constexpr int64_t vector_bytes = int64_t{lanes} * values_of_word * Codes::bits / 8;
    const auto* pairs = reinterpret_cast<const int32_t*>(rounded_);
    const float* scales = rounded_ + layout_.pairs;
    const float* sums = scales + layout_.units;
    const char* rows[lanes];
    for (int r = 0; r < lanes; ++r) rows[r] = panel_.weights(r);
    // What is asked of memory: the weights that come `steps_ahead` steps later, in this panel or another, and the
    // scales and biases of the panel after those, a line of each at a step: there are about as many.
    const int64_t steps = (layout_.words + lanes * vectors - 1) / (lanes * vectors);
    const char* panel_ahead = rows[0] + steps_ahead / steps * lanes * panel_.row_bytes();
    int64_t step_ahead = steps_ahead % steps;
    const int64_t panel_floats = (panel_.first_row() + (1 + steps_ahead / steps) * lanes) * layout_.groups;
    const char* next_scales =
        static_cast<const char*>(panel_.matrix().scales) + panel_floats * scale_bytes(panel_.matrix());
    const char* next_biases =
        Codes::affine ? static_cast<const char*>(panel_.matrix().biases) + panel_floats * scale_bytes(panel_.matrix())
                      : next_scales + line_bytes;
    // With a unit of 16 there are two lines of scales for a step.
    constexpr int64_t scale_stride = unit == 16 ? 2 * line_bytes : line_bytes;

    Floats total = V::zero();
    for (int64_t word = 0; word < layout_.words; word += vectors * lanes) {
      const int64_t at = word / lanes * vector_bytes;
      const char* prefetched = panel_ahead + step_ahead * vectors * vector_bytes;
      if (++step_ahead == steps) {
        step_ahead = 0;
        panel_ahead += lanes * panel_.row_bytes();
      }
      V::prefetch(next_scales);
      if (Codes::affine || unit == 16) V::prefetch(next_biases);
      next_scales += scale_stride;
      next_biases += scale_stride;
      // A row's products with the input, in the lanes of its words.
      const auto multiply_row = [&](int r, Ints* dots, int stride) {
        V::prefetch(prefetched + r * panel_.row_bytes());
        for (int part = 0; part < Codes::parts; ++part) dots[part * stride] = V::zero_ints();
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) {
          const int64_t first = word + v * lanes;
          const Codes weights(V::template load_words<Codes::bits>(rows[r] + at + v * vector_bytes,
                                                                  layout_.words - first, panel_.weights_end()));
          const auto multiply = [&]<int k>() {
            const Ints inputs = V::load_unaligned_ints(pairs + first * pairs_of_word + k * lanes);
            dots[0] = V::template add_row_dot<units>(dots[0], weights.template pair<k, 0>(), inputs);
            if constexpr (Codes::parts == 2)
              dots[stride] = V::template add_row_dot<units>(dots[stride], weights.template pair<k, 1>(), inputs);
          };
          multiply.template operator()<0>();
          multiply.template operator()<1>();
          if constexpr (pairs_of_word == 4) {
            multiply.template operator()<2>();
            multiply.template operator()<3>();
          }
        }
      };
      Ints dots[Codes::parts][units];
      V::template sum_rows<units, Codes::parts>(multiply_row, dots);
      const int64_t first_unit = word / unit_words;
      for (int u = 0; u < units && first_unit + u < layout_.units; ++u) {
        Floats dot = V::to_floats(dots[0][u]);
        if constexpr (Codes::parts == 2) dot = V::fma(V::to_floats(dots[1][u]), V::set(Codes::part_step), dot);
        panel_.template add_unit<Codes::affine>(total, dot, first_unit + u, scales, sums, 1);
      }
    }
    panel_.store(total, 0);
  }

  const QuantizedPanel<V>& panel_;
  const InputLayout& layout_;
  const float* rounded_;
};

}  // namespace
}  // namespace punie::kernels
