#include "float_matmul_kernel.h"
#include "vectors_avx2.h"

namespace punie::kernels {

void float_matmul_avx2(const FloatMatrix& w, const float* x, int64_t n, const float* bias, float* y, int64_t begin,
                       int64_t end, float* scratch) {
  multiply_floats<Avx2>(w, x, n, bias, y, begin, end, scratch);
}

}  // namespace punie::kernels
