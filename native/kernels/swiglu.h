#pragma once

#include <cstdint>

namespace punie::kernels {

/// y[count] = silu(gate) * up, silu(g) = g / (1 + exp(-g)) (Shazeer 2020). y may be gate or up.
void swiglu(const float* gate, const float* up, int64_t count, float* y);

}  // namespace punie::kernels
