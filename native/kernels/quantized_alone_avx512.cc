#include "quantized_alone_avx512.h"

#include "quantized_alone.h"

namespace punie::kernels {

void multiply_alone_avx512(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                           float* y, int64_t begin, int64_t end) {
  multiply_alone<Avx512Steps>(w, layout, rounded, bias, y, begin, end);
}

}  // namespace punie::kernels
