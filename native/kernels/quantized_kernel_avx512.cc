#include "quantized_kernel_avx512.h"

#include "quantized_alone.h"

namespace punie::kernels {
namespace {

void multiply(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias, float* y,
              int64_t begin, int64_t end, float* scratch) {
  if (layout.order == InputOrder::bytes) return multiply_alone_avx512(w, layout, rounded, bias, y, begin, end);
  Avx512Product::multiply(w, layout, rounded, bias, y, begin, end, scratch);
}

}  // namespace

const QuantizedKernel quantized_kernel_avx512{avx512_shape(false), Avx512Product::scratch_floats, multiply};
const QuantizedKernel quantized_kernel_avx512_crossing{avx512_shape(true), Avx512Product::scratch_floats, multiply};

}  // namespace punie::kernels
