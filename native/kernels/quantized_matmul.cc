#include "quantized_matmul.h"

#include "cpu_features.h"
#include "int16_matmul.h"
#include "matmul_rows.h"

namespace punie::kernels {
namespace {

/// Eight values are `bits` bytes, at every width.
template <int bits>
void unpack_eight(const uint8_t* from, int32_t* values) {
  uint64_t stream = 0;
  std::memcpy(&stream, from, bits);
  for (int i = 0; i < 8; ++i) values[i] = static_cast<int32_t>(stream >> (bits * i) & ((1u << bits) - 1));
}

template <int bits>
void dequantize_row(const QuantizedMatrix& w, int64_t row, float* out) {
  const uint8_t* packed = static_cast<const uint8_t*>(w.weight) + row * w.cols * bits / 8;
  const int64_t groups = w.cols / w.group_size;
  for (int64_t group = 0; group < groups; ++group) {
    const float scale = load_float(w.scales, w.scale_type, row * groups + group);
    const float bias = load_float(w.biases, w.scale_type, row * groups + group);
    for (int i = 0; i < w.group_size; i += 8, packed += bits, out += 8) {
      int32_t q[8];
      unpack_eight<bits>(packed, q);
      for (int lane = 0; lane < 8; ++lane) out[lane] = scale * static_cast<float>(q[lane]) + bias;
    }
  }
}

using DequantizeRow = void (*)(const QuantizedMatrix&, int64_t, float*);

DequantizeRow dequantizer(int bits) {
  switch (bits) {
    case 2:
      return dequantize_row<2>;
    case 3:
      return dequantize_row<3>;
    case 4:
      return dequantize_row<4>;
    case 5:
      return dequantize_row<5>;
    case 6:
      return dequantize_row<6>;
    default:
      return dequantize_row<8>;
  }
}

#if defined(__x86_64__)
/// Inputs that are rounded before they are multiplied: some megabytes.
constexpr int64_t rounded_inputs = 128;

void int16_product(const QuantizedMatrix& w, const float* x, int64_t n, const float* bias, float* y,
                   const Parallel& parallel) {
  const Int16Input input(w);
  float* rounded = thread_scratch(std::min(n, rounded_inputs) * input.floats, Scratch::call);
  // Small enough that no thread waits long for the last piece, and whole tiles.
  const int64_t piece = std::clamp(w.rows / (8 * parallel.threads) / 8 * 8, int64_t{8}, chunk_rows);
  for (int64_t first = 0; first < n; first += rounded_inputs) {
    const int64_t inputs = std::min(rounded_inputs, n - first);
    parallel_for(parallel, inputs, 8, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        round_input_avx2(w, input, x + (first + i) * w.cols, rounded + i * input.floats);
      }
    });
    parallel_for(parallel, w.rows, piece, [&](int64_t begin, int64_t end) {
      float* scratch = thread_scratch(int16_scratch_floats(w));
      int16_matmul_avx2(w, input, rounded, inputs, bias, y + first * w.rows, begin, end, scratch);
    });
  }
}
#endif

}  // namespace

void quantized_matmul_portable(const QuantizedMatrix& w, const float* x, int64_t n, const float* bias, float* y,
                               int64_t begin, int64_t end) {
  const DequantizeRow dequantize = dequantizer(w.bits);
  float* tile = thread_scratch(tile_rows * w.cols);
  for (int64_t row = begin; row < end; row += tile_rows) {
    const int64_t rows = std::min(tile_rows, end - row);
    for (int64_t r = 0; r < rows; ++r) dequantize(w, row + r, tile + r * w.cols);
    multiply_decoded_rows(tile, rows, w.cols, x, n, bias, y, w.rows, row);
  }
}

void quantized_matmul(const QuantizedMatrix& w, const float* x, int64_t n, const float* bias, float* y,
                      const Parallel& parallel) {
  if (n <= 0) return;
#if defined(__x86_64__)
  if (use_avx2()) {
    if (is_int16_product(w)) return int16_product(w, x, n, bias, y, parallel);
    parallel_for(parallel, w.rows, chunk_rows, [&](int64_t begin, int64_t end) {
      float* scratch = thread_scratch(scratch_floats);
      for (int64_t row = begin; row < end; row += chunk_rows)
        quantized_matmul_avx2(w, x, n, bias, y, row, std::min(row + chunk_rows, end), scratch);
    });
    return;
  }
#endif
  parallel_for(parallel, w.rows, chunk_rows,
               [&](int64_t begin, int64_t end) { quantized_matmul_portable(w, x, n, bias, y, begin, end); });
}

void quantized_rows(const QuantizedMatrix& w, const int32_t* ids, int64_t n, float* y) {
  const DequantizeRow dequantize = dequantizer(w.bits);
  for (int64_t i = 0; i < n; ++i) dequantize(w, ids[i], y + i * w.cols);
}

}  // namespace punie::kernels
