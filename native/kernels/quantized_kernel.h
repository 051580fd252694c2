#pragma once
// The quantized product of each instruction set: one algorithm, `QuantizedProduct` below, over its vectors.
//
// An element of y is one chain of additions over the units of columns, the same everywhere:
//   y = fma(dot(unit), scale(weight) * scale(input), y) for each unit, in order; the dot products are exact
//   y = fma(bias(weight), sum(input), y) after each group's last unit, where the weights are affine
// So its bits depend neither on which inputs and rows are computed beside it nor on the instruction set.
//
// Weight rows go in panels of as many rows as a vector has lanes. One input and many are multiplied in different ways
// (quantized_alone_kernel.h, quantized_many_kernel.h, quantized_crossed_kernel.h).

#include <cstdint>

#include "affine_widths.h"
#include "quantized_alone_kernel.h"
#include "quantized_codes.h"
#include "quantized_crossed_kernel.h"
#include "quantized_many_kernel.h"
#include "quantized_matmul.h"
#include "quantized_panel.h"
#include "rounded_inputs.h"

namespace punie::kernels {

struct QuantizedKernel {
  KernelShape shape;
  /// Scratch floats of `multiply`.
  int64_t (*scratch_floats)(const InputLayout& layout);
  /// y[n, w.rows]'s columns [begin, end): `begin` a multiple of 16. `bias` may be null.
  void (*multiply)(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                   float* y, int64_t begin, int64_t end, float* scratch);
};

extern const QuantizedKernel quantized_kernel_portable;
#if defined(__x86_64__)
extern const QuantizedKernel quantized_kernel_avx2;
/// Of each the second is for processors that add faster than they multiply.
extern const QuantizedKernel quantized_kernel_avx512, quantized_kernel_avx512_crossing;
extern const QuantizedKernel quantized_kernel_avx512vbmi, quantized_kernel_avx512vbmi_crossing;
extern const QuantizedKernel quantized_kernel_amx;
#elif defined(__aarch64__)
extern const QuantizedKernel quantized_kernel_neon;
#endif

namespace {

template <class V>
class QuantizedProduct {
 public:
  static constexpr KernelShape shape{.lanes = V::lanes,
                                     .most_inputs = V::most_inputs,
                                     .alone = V::alone,
                                     .most_bytes = V::most_bytes,
                                     .least_crossed = V::least_crossed,
                                     .crossed_inputs = V::crossed_inputs,
                                     .least_tiled = 0,
                                     .piece_rows = 12};
  static_assert(shape.piece_rows % V::most_inputs == 0 &&
                (V::crossed_inputs == 0 || shape.piece_rows % V::crossed_inputs == 0));

  static int64_t scratch_floats(const InputLayout& layout) {
    if constexpr (V::crossed_inputs > 0) {
      if (layout.order == InputOrder::crossed) return QuantizedCrossed<V>::scratch_floats(layout);
    }
    return QuantizedPanel<V>::scratch_floats(layout) + (layout.alone() ? 0 : QuantizedMany<V>::scratch_floats(layout));
  }

  static void multiply(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                       float* y, int64_t begin, int64_t end, float* scratch) {
    const auto run = [&]<class Codes>() {
      if constexpr (V::crossed_inputs > 0 && Codes::parts == 1) {
        if (layout.order == InputOrder::crossed) {
          QuantizedCrossed<V> crossed(w, layout, rounded, bias, y, scratch);
          return crossed.template multiply_rows<Codes>(begin, end);
        }
      }
      multiply_panels<Codes>(w, layout, rounded, bias, y, begin, end, scratch);
    };
    switch (w.mode) {
      case QuantizationMode::mxfp4:
      case QuantizationMode::nvfp4:
        return run.template operator()<E2m1Codes<V>>();
      case QuantizationMode::mxfp8:
        return run.template operator()<E4m3Codes<V>>();
      default:
        break;
    }
    with_width(w.bits, [&]<int bits>() { run.template operator()<WholeCodes<V, bits>>(); });
  }

 private:
  template <class Codes>
  static void multiply_panels(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded,
                              const float* bias, float* y, int64_t begin, int64_t end, float* scratch) {
    QuantizedPanel<V> panel(w, layout, bias, y, scratch);
    const QuantizedAlone<V> alone(panel, layout, rounded);
    const QuantizedMany<V> many(panel, layout, rounded, scratch + QuantizedPanel<V>::scratch_floats(layout));
    for (int64_t row = begin; row < end; row += V::lanes) {
      panel.template move_to<Codes>(row, end);
      if (layout.alone()) {
        alone.template run<Codes>();
      } else {
        many.template run<Codes>();
      }
    }
  }
};

}  // namespace
}  // namespace punie::kernels
