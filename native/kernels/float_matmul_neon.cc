#include "float_matmul_kernel.h"
#include "vectors_neon.h"

namespace punie::kernels {

void float_matmul_neon(const FloatMatrix& w, const float* x, int64_t n, const float* bias, float* y, int64_t begin,
                       int64_t end, float* scratch) {
  multiply_floats<Neon>(w, x, n, bias, y, begin, end, scratch);
}

}  // namespace punie::kernels
