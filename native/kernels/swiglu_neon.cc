#include "swiglu_kernel.h"
#include "swiglu_range.h"
#include "vectors_neon.h"

namespace punie::kernels {

void swiglu_neon(const float* gate, const float* up, int64_t count, float* y) {
  Swiglu<Neon>::swiglu(gate, up, count, y);
}

void multiply_sigmoid_neon(const float* gate, float* x, int64_t count) {
  Swiglu<Neon>::multiply_sigmoid(gate, x, count);
}

}  // namespace punie::kernels
