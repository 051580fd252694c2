#include "matmul_rows.h"

#include "dot.h"

namespace punie::kernels {

void multiply_decoded_rows(const float* decoded, int64_t rows, int64_t cols, const float* x, int64_t n,
                           const float* bias, float* y, int64_t y_cols, int64_t first) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t r = 0; r < rows; ++r) {
      const float sum = dot(decoded + r * cols, x + i * cols, cols);
      y[i * y_cols + first + r] = bias ? sum + bias[first + r] : sum;
    }
}

}  // namespace punie::kernels
