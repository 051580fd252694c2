#include "quantized_alone.h"
#include "quantized_kernel_avx512.h"
#include "quantized_tiles.h"

namespace punie::kernels {
namespace {

/// As tiles need what surrounds them: blocks of inputs that divide a tile's.
constexpr KernelShape with_tiles() {
  KernelShape shape = avx512_shape(false);
  shape.most_inputs = 8;
  shape.least_tiled = 9;  // eight are as fast without
  shape.piece_rows = tile_inputs;
  return shape;
}

int64_t scratch_floats(const InputLayout& layout) {
  return layout.order == InputOrder::tiles ? tiles_scratch_floats(layout) : Avx512Product::scratch_floats(layout);
}

void multiply(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias, float* y,
              int64_t begin, int64_t end, float* scratch) {
  if (layout.order == InputOrder::bytes) return multiply_alone_avx512vbmi(w, layout, rounded, bias, y, begin, end);
  if (layout.order == InputOrder::tiles) return multiply_tiles_amx(w, layout, rounded, bias, y, begin, end, scratch);
  Avx512Product::multiply(w, layout, rounded, bias, y, begin, end, scratch);
}

}  // namespace

const QuantizedKernel quantized_kernel_avx512vbmi{avx512_shape(false), scratch_floats, multiply};
const QuantizedKernel quantized_kernel_avx512vbmi_crossing{avx512_shape(true), scratch_floats, multiply};
const QuantizedKernel quantized_kernel_amx{with_tiles(), scratch_floats, multiply};

}  // namespace punie::kernels
