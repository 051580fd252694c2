#pragma once
// One to four inputs by instructions that multiply bytes. A step is a vector of weights, or two, of each of a panel's
// rows, as they lie; what a step does is each instruction set's own (`Steps`). What is here goes through the matrix:
// which weights and scales are next, which of them to ask of memory, and the additions to the results.

#include <algorithm>
#include <cstdint>

#include "affine_widths.h"
#include "cpu_features.h"
#include "quantized_matmul.h"
#include "rounded_inputs.h"

namespace punie::kernels {
namespace {

/// Takes a pointer for one that nothing is known of.
inline void keep(const char*& pointer) { asm("" : "+r"(pointer)); }

/// Scales of a row that are prepared at a time.
constexpr int64_t block_row_bytes = 16;
constexpr int64_t most_block_groups = 8;

/// Weights asked of memory in the order that they lie in are so many bytes away, or the next panel's.
constexpr int64_t least_bytes_ahead = 8192;

/// Weights to come, which a step asks of memory.
struct AskedWeights {
  const char* at;
  /// A line of each row; else the whole step's in the order that they lie in.
  bool by_rows;
  /// They stay where they are asked to until their one use (cpu_features.h).
  bool once;

  template <class V>
  void prefetch(int64_t byte) const {
    if (once) {
      V::prefetch_once(at + byte);
    } else {
      V::prefetch(at + byte);
    }
  }
};

/// A panel's scales or biases of some groups.
template <int lanes>
struct alignas(64) GroupFloats {
  float at[most_block_groups][lanes];
};

template <class Steps, int bits, int group_size, int inputs>
class AloneProduct {
  using V = typename Steps::Vectors;
  using Ints = typename V::Ints;
  using Floats = typename V::Floats;
  static constexpr int lanes = V::lanes;
  static constexpr int64_t step_columns = Steps::template step_columns<bits, group_size>;
  static constexpr int64_t step_bytes = step_columns * bits / 8;  // of a row
  static constexpr int64_t step_words = step_columns / (bits == 4 ? 8 : 4);
  static constexpr int64_t step_input_bytes = 2 * step_columns;
  static constexpr int units_of_group = group_size > most_unit_columns ? group_size / most_unit_columns : 1;
  static constexpr int units = step_columns * units_of_group / group_size;  // of a step

 public:
  AloneProduct(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded)
      : w_(w),
        layout_(layout),
        input_(reinterpret_cast<const char*>(rounded)),
        input_bytes_(layout.input_floats() * int64_t{sizeof(float)}),
        row_bytes_(w.cols * bits / 8),
        end_(static_cast<const char*>(w.weight) + w.rows * row_bytes_),
        scale_bytes_(float_bytes(w.scale_type)),
        block_groups_(block_row_bytes / scale_bytes_),
        once_(keeps_asked_once()),
        steps_ahead_(asks_in_order() ? 0 : Steps::steps_ahead) {}

  void run(const float* bias, float* y, int64_t begin, int64_t end) const {
    int64_t row = begin;
    for (; row + lanes <= end; row += lanes) multiply_panel(row, 1, bias, y, row, row + lanes);
    if (row == end) return;
    // What is left is the end of a panel that begins before it; or, where none does, one row many times.
    if (end >= lanes) return multiply_panel(end - lanes, 1, bias, y, row, end);
    for (; row < end; ++row) multiply_panel(row, 0, bias, y, row, row + 1);
  }

 private:
  /// The products of rows row, row + stride, ..., of which those from `begin` to `end` are stored.
  void multiply_panel(int64_t row, int64_t stride, const float* bias, float* y, int64_t begin, int64_t end) const {
    const char* weights = static_cast<const char*>(w_.weight) + row * row_bytes_;
    const int64_t row_stride = stride * row_bytes_;
    const int64_t scale_row_bytes = layout_.groups * scale_bytes_, scale_stride = stride * scale_row_bytes;
    const char* scales = static_cast<const char*>(w_.scales) + row * scale_row_bytes;
    const char* biases = static_cast<const char*>(w_.biases) + row * scale_row_bytes;
    // What is asked of memory: the weights that come `steps_ahead_` steps later, in this panel or another, or those of
    // a panel to come in the order that they lie in; and the scales and biases of that panel, or of the one after it,
    // for a block as many as it uses. Of these every few blocks need a new line of each row, all at once: they go to
    // L1.
    const int64_t whole_steps = w_.cols / step_columns;
    const int64_t steps = whole_steps + (w_.cols % step_columns > 0 ? 1 : 0);
    const int64_t last_of_panel = steps - steps_ahead_ % steps;
    const int64_t ahead = steps_ahead_ / steps * lanes * row_bytes_ + steps_ahead_ % steps * step_bytes;
    const int64_t ahead_in_next = ahead + lanes * row_bytes_ - steps * step_bytes;
    const int64_t panel_bytes = lanes * row_bytes_;
    const int64_t panels_ahead = 1 + (steps_ahead_ > 0 ? steps_ahead_ / steps : least_bytes_ahead / panel_bytes);
    const char* lines_ahead = weights + panels_ahead * panel_bytes;
    const int64_t scales_ahead = panels_ahead * lanes * scale_row_bytes;

    GroupFloats<lanes> group_scales, group_biases;
    Floats totals[inputs];
    for (Floats& total : totals) total = V::zero();
    int64_t step = 0;
    for (int64_t group = 0; group < layout_.groups; group += block_groups_) {
      const int64_t groups = std::min(block_groups_, layout_.groups - group);
      load_groups(w_.scales, scales + group * scale_bytes_, scale_stride, groups, group_scales);
      load_groups(w_.biases, biases + group * scale_bytes_, scale_stride, groups, group_biases);
      for (int64_t line = 0; line < lanes * block_row_bytes; line += line_bytes) {
        V::prefetch_near(scales + scales_ahead + group * scale_bytes_ * lanes + line);
        V::prefetch_near(biases + scales_ahead + group * scale_bytes_ * lanes + line);
      }
      const float* input_scales = reinterpret_cast<const float*>(input_) + layout_.pairs + group * units_of_group;
      const float* input_sums = reinterpret_cast<const float*>(input_) + layout_.pairs + layout_.units + group;
      const int64_t input_floats = layout_.input_floats();
      int64_t unit = 0;  // of the block
      const auto add_unit = [&](const Ints(&dots)[inputs][units], int u) {
        const int64_t of_block = unit / units_of_group;
        const bool last_of_group = ++unit % units_of_group == 0;
#pragma GCC unroll 4
        for (int i = 0; i < inputs; ++i) {
          const Floats scale =
              V::multiply(V::load(group_scales.at[of_block]), V::set(input_scales[i * input_floats + unit - 1]));
          totals[i] = V::fma(V::to_floats(dots[i][u]), scale, totals[i]);
          if (last_of_group) {
            totals[i] =
                V::fma(V::load(group_biases.at[of_block]), V::set(input_sums[i * input_floats + of_block]), totals[i]);
          }
        }
      };
      const auto next = [&] {
        return steps_ahead_ > 0 ? weights + step * step_bytes + (step < last_of_panel ? ahead : ahead_in_next)
                                : lines_ahead + step * lanes * step_bytes;
      };
      const auto add_units = [&](const Ints(&dots)[inputs][units], int count) {
#pragma GCC unroll 4
        for (int u = 0; u < count; ++u) add_unit(dots, u);
      };
      const int64_t first = step, last = std::min(whole_steps, (group + groups) * group_size / step_columns);
      // Of one input: what a step makes is added after the next step, so that nothing waits for it.
      Ints before[1][units];
      for (; step < last; ++step) {
        Ints dots[inputs][units];
        multiply_step<true>(weights + step * step_bytes, row_stride, next(), step, dots);
        if constexpr (inputs == 1) {
          if (step > first) add_units(before, units);
          std::copy_n(dots[0], units, before[0]);
        } else {
          add_units(dots, units);
        }
      }
      if constexpr (inputs == 1) {
        if (step > first) add_units(before, units);
      }
      if (group + groups == layout_.groups && step < steps) {
        Ints dots[inputs][units];
        multiply_step<false>(weights + step * step_bytes, row_stride, next(), step, dots);
        add_units(dots, layout_.units % units);
      }
    }
    for (int i = 0; i < inputs; ++i) Steps::store(totals[i], bias, row, y + i * w_.rows, begin, end);
  }

  template <bool whole>
  void multiply_step(const char* weights, int64_t row_stride, const char* ahead, int64_t step,
                     Ints (&dots)[inputs][units]) const {
    const int64_t words = whole ? step_words : layout_.words % step_words;
    const AskedWeights asked{.at = ahead, .by_rows = steps_ahead_ > 0, .once = once_};
    Steps::template multiply<bits, step_columns, whole>(weights, row_stride, asked, end_, words,
                                                        input_ + step * step_input_bytes, input_bytes_, dots);
  }

  void load_groups(const void* array, const char* from, int64_t stride, int64_t count, GroupFloats<lanes>& to) const {
    const char* end = static_cast<const char*>(array) + w_.rows * layout_.groups * scale_bytes_;
    const auto load = [&]<FloatType type>() { Steps::template load_groups<type>(from, stride, count, end, to); };
    if (w_.scale_type == FloatType::bf16) return load.template operator()<FloatType::bf16>();
    if (w_.scale_type == FloatType::f16) return load.template operator()<FloatType::f16>();
    load.template operator()<FloatType::f32>();
  }

  const QuantizedMatrix& w_;
  const InputLayout& layout_;
  const char* input_;
  int64_t input_bytes_;  // from an input to the next
  int64_t row_bytes_;
  const char* end_;  // of all weights
  int64_t scale_bytes_;
  int64_t block_groups_;
  bool once_;
  int64_t steps_ahead_;
};

template <class Steps, int bits, int group_size>
void multiply_inputs(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                     float* y, int64_t begin, int64_t end) {
  switch (layout.n) {
    case 1:
      return AloneProduct<Steps, bits, group_size, 1>(w, layout, rounded).run(bias, y, begin, end);
    case 2:
      return AloneProduct<Steps, bits, group_size, 2>(w, layout, rounded).run(bias, y, begin, end);
    case 3:
      return AloneProduct<Steps, bits, group_size, 3>(w, layout, rounded).run(bias, y, begin, end);
    default:
      return AloneProduct<Steps, bits, group_size, 4>(w, layout, rounded).run(bias, y, begin, end);
  }
}

/// As QuantizedKernel::multiply, for a layout of inputs split into bytes.
template <class Steps>
void multiply_alone(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                    float* y, int64_t begin, int64_t end) {
  with_width(w.bits, [&]<int bits>() {
    if (w.group_size == 32) return multiply_inputs<Steps, bits, 32>(w, layout, rounded, bias, y, begin, end);
    if (w.group_size == 64) return multiply_inputs<Steps, bits, 64>(w, layout, rounded, bias, y, begin, end);
    multiply_inputs<Steps, bits, 128>(w, layout, rounded, bias, y, begin, end);
  });
}

}  // namespace
}  // namespace punie::kernels
