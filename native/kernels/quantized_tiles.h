#pragma once
// The quantized product of several inputs with AMX, whose instructions multiply tiles of bytes.

#include <cstdint>

#include "quantized_matmul.h"
#include "rounded_inputs.h"

namespace punie::kernels {

#if defined(__x86_64__)
/// As QuantizedKernel, for a layout of tiles.
int64_t tiles_scratch_floats(const InputLayout& layout);
void multiply_tiles_amx(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                        float* y, int64_t begin, int64_t end, float* scratch);
#endif

}  // namespace punie::kernels
