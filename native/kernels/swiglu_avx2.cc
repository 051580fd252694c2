#include "swiglu_kernel.h"
#include "swiglu_range.h"
#include "vectors_avx2.h"

namespace punie::kernels {

void swiglu_avx2(const float* gate, const float* up, int64_t count, float* y) {
  Swiglu<Avx2>::swiglu(gate, up, count, y);
}

void multiply_sigmoid_avx2(const float* gate, float* x, int64_t count) {
  Swiglu<Avx2>::multiply_sigmoid(gate, x, count);
}

}  // namespace punie::kernels
