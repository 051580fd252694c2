#include "quantized_alone.h"
#include "quantized_kernel.h"
#include "vectors_avx512.h"

namespace punie::kernels {
namespace {

using Product = QuantizedProduct<Avx512>;

void multiply(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias, float* y,
              int64_t begin, int64_t end, float* scratch) {
  if (layout.bytes) return multiply_alone_avx512(w, layout, rounded, bias, y, begin, end);
  Product::multiply(w, layout, rounded, bias, y, begin, end, scratch);
}

}  // namespace

const QuantizedKernel quantized_kernel_avx512{Product::shape, Product::scratch_floats, multiply};

}  // namespace punie::kernels
