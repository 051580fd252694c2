#pragma once
// The quantized product of one or a few inputs with instructions that multiply bytes.

#include <cstdint>

#include "quantized_matmul.h"
#include "rounded_inputs.h"

namespace punie::kernels {

#if defined(__x86_64__)
/// As QuantizedKernel::multiply, for a layout of inputs split into bytes.
void multiply_alone_avx2(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                         float* y, int64_t begin, int64_t end);
void multiply_alone_avx512(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                           float* y, int64_t begin, int64_t end);
void multiply_alone_avx512vbmi(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded,
                               const float* bias, float* y, int64_t begin, int64_t end);
#endif

}  // namespace punie::kernels
