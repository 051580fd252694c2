#include "quantized_alone.h"
#include "quantized_kernel.h"
#include "vectors_avx2.h"

namespace punie::kernels {
namespace {

using Product = QuantizedProduct<Avx2>;

void multiply(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias, float* y,
              int64_t begin, int64_t end, float* scratch) {
  if (layout.order == InputOrder::bytes) return multiply_alone_avx2(w, layout, rounded, bias, y, begin, end);
  Product::multiply(w, layout, rounded, bias, y, begin, end, scratch);
}

}  // namespace

const QuantizedKernel quantized_kernel_avx2{Product::shape, Product::scratch_floats, multiply};

}  // namespace punie::kernels
