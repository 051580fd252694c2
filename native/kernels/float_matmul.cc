#include "float_matmul.h"

#include "cpu_features.h"
#include "matmul_rows.h"

namespace punie::kernels {
namespace {

template <FloatType type>
void read_row_as(const FloatMatrix& w, int64_t row, float* out) {
  for (int64_t i = 0; i < w.cols; ++i) out[i] = load_float(w.data, type, row * w.cols + i);
}

void read_row(const FloatMatrix& w, int64_t row, float* out) {
  switch (w.type) {
    case FloatType::f32:
      return read_row_as<FloatType::f32>(w, row, out);
    case FloatType::f16:
      return read_row_as<FloatType::f16>(w, row, out);
    case FloatType::bf16:
      return read_row_as<FloatType::bf16>(w, row, out);
  }
}

using RangeFunction = void (*)(const FloatMatrix& w, const float* x, int64_t n, const float* bias, float* y,
                               int64_t begin, int64_t end, float* scratch);

/// Null: the portable product, which has no scratch of this kind.
RangeFunction range_function() {
#if defined(__x86_64__)
  if (use_avx2()) return float_matmul_avx2;
#elif defined(__aarch64__)
  if (use_neon()) return float_matmul_neon;
#endif
  return nullptr;
}

}  // namespace

void float_matmul_portable(const FloatMatrix& w, const float* x, int64_t n, const float* bias, float* y, int64_t begin,
                           int64_t end) {
  float* tile = thread_scratch(tile_rows * w.cols);
  for (int64_t row = begin; row < end; row += tile_rows) {
    const int64_t rows = std::min(tile_rows, end - row);
    for (int64_t r = 0; r < rows; ++r) read_row(w, row + r, tile + r * w.cols);
    multiply_decoded_rows(tile, rows, w.cols, x, n, bias, y, w.rows, row);
  }
}

void multiply_float_rows(const FloatMatrix& w, const float* x, int64_t n, const float* bias, float* y, int64_t begin,
                         int64_t end) {
  const RangeFunction multiply = range_function();
  if (multiply == nullptr) return float_matmul_portable(w, x, n, bias, y, begin, end);
  float* scratch = thread_scratch(scratch_floats);
  for (int64_t row = begin; row < end; row += chunk_rows)
    multiply(w, x, n, bias, y, row, std::min(row + chunk_rows, end), scratch);
}

void float_matmul(const FloatMatrix& w, const float* x, int64_t n, const float* bias, float* y,
                  const Parallel& parallel) {
  if (n <= 0) return;
  parallel_for(parallel, w.rows, chunk_rows,
               [&](int64_t begin, int64_t end) { multiply_float_rows(w, x, n, bias, y, begin, end); });
}

void float_rows(const FloatMatrix& w, const int32_t* ids, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) read_row(w, ids[i], y + i * w.cols);
}

}  // namespace punie::kernels
