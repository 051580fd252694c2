#pragma once

#include <cstdint>

namespace punie::kernels {

/// y[count] = silu(gate) * up, silu(g) = g / (1 + exp(-g)) (Shazeer 2020). y may be gate or up.
void swiglu(const float* gate, const float* up, int64_t count, float* y);

/// x[count] *= sigmoid(gate[count]), in float32.
void multiply_sigmoid(const float* gate, float* x, int64_t count);

}  // namespace punie::kernels
