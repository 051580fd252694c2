#include "float_load_avx2.h"
#include "matmul_avx2.h"

namespace punie::kernels {
namespace {

template <FloatType type>
struct FloatWeights {
  const char* data;
  int64_t rows;
  int64_t cols;

  const char* at(int64_t row, int64_t column) const { return data + (row * cols + column) * float_bytes(type); }

  void unpack(int64_t row, int64_t column, int64_t count, float* out) const {
    const char* from = at(row, column);
    int64_t c = 0;
    for (; c + 8 <= count; c += 8) _mm256_store_ps(out + c, load_eight<type>(from + c * float_bytes(type)));
    if (c < count) _mm256_store_ps(out + c, load_some<type>(from + c * float_bytes(type), count - c));
  }

  template <int wide>
  void accumulate(int64_t row, int64_t column, int64_t count, const float* x, __m256 (&sums)[wide]) const {
    int64_t c = 0;
    for (; c + 8 <= count; c += 8) {
      const __m256 input = _mm256_loadu_ps(x + c);
      for (int r = 0; r < wide; ++r)
        sums[r] = _mm256_fmadd_ps(load_eight<type>(at(row + r, column + c)), input, sums[r]);
    }
    if (c < count) {
      const __m256 input = _mm256_maskload_ps(x + c, first_lanes(count - c));
      for (int r = 0; r < wide; ++r)
        sums[r] = _mm256_fmadd_ps(load_some<type>(at(row + r, column + c), count - c), input, sums[r]);
    }
  }
};

}  // namespace

void float_matmul_avx2(const FloatMatrix& w, const float* x, int64_t n, const float* bias, float* y, int64_t begin,
                       int64_t end, float* scratch) {
  const char* data = static_cast<const char*>(w.data);
  switch (w.type) {
    case FloatType::f32:
      return multiply_rows(FloatWeights<FloatType::f32>{data, w.rows, w.cols}, x, n, bias, y, begin, end, scratch);
    case FloatType::f16:
      return multiply_rows(FloatWeights<FloatType::f16>{data, w.rows, w.cols}, x, n, bias, y, begin, end, scratch);
    case FloatType::bf16:
      return multiply_rows(FloatWeights<FloatType::bf16>{data, w.rows, w.cols}, x, n, bias, y, begin, end, scratch);
  }
}

}  // namespace punie::kernels
