#include "quantized_alone.h"
#include "quantized_kernel.h"
#include "quantized_tiles.h"
#include "vectors_avx512.h"

namespace punie::kernels {
namespace {

using Product = QuantizedProduct<Avx512>;

constexpr KernelShape with_crosses(bool crosses) {
  KernelShape shape = Product::shape;
  shape.crosses = crosses;
  return shape;
}

/// As tiles need what surrounds them: blocks of inputs that divide a tile's.
constexpr KernelShape with_tiles() {
  KernelShape shape = with_crosses(false);
  shape.most_inputs = 8;
  shape.least_tiled = 9;  // eight are as fast without
  shape.piece_rows = tile_inputs;
  return shape;
}

int64_t scratch_floats(const InputLayout& layout) {
  return layout.tiles ? tiles_scratch_floats(layout) : Product::scratch_floats(layout);
}

void multiply(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias, float* y,
              int64_t begin, int64_t end, float* scratch) {
  if (layout.bytes) return multiply_alone_avx512(w, layout, rounded, bias, y, begin, end);
  if (layout.tiles) return multiply_tiles_amx(w, layout, rounded, bias, y, begin, end, scratch);
  Product::multiply(w, layout, rounded, bias, y, begin, end, scratch);
}

}  // namespace

const QuantizedKernel quantized_kernel_avx512{with_crosses(false), scratch_floats, multiply};
const QuantizedKernel quantized_kernel_avx512_crossing{with_crosses(true), scratch_floats, multiply};
const QuantizedKernel quantized_kernel_amx{with_tiles(), scratch_floats, multiply};

}  // namespace punie::kernels
