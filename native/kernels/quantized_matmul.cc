#include "quantized_matmul.h"

#include <algorithm>

#include "affine_widths.h"
#include "cpu_features.h"
#include "float_codes.h"
#include "quantized_kernel.h"
#include "scratch.h"

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

void dequantize_codes(const QuantizedMatrix& w, int64_t row, float* out) {
  const uint8_t* codes = static_cast<const uint8_t*>(w.weight) + row * w.cols * w.bits / 8;
  const int64_t groups = w.cols / w.group_size;
  const uint8_t* scales = static_cast<const uint8_t*>(w.scales) + row * groups;
  for (int64_t i = 0; i < w.cols; ++i) {
    const uint8_t code = scales[i / w.group_size];
    const float scale = w.mode == QuantizationMode::nvfp4 ? e4m3_to_float(code) * w.scale_factor : e8m0_to_float(code);
    out[i] = scale * (w.bits == 8 ? e4m3_to_float(codes[i]) : e2m1_to_float(codes[i / 2] >> (i % 2 * 4) & 15));
  }
}

using DequantizeRow = void (*)(const QuantizedMatrix&, int64_t, float*);

DequantizeRow dequantizer(const QuantizedMatrix& w) {
  if (w.mode != QuantizationMode::affine) return dequantize_codes;
  return with_width(w.bits, []<int bits>() -> DequantizeRow { return dequantize_row<bits>; });
}

const QuantizedKernel& kernel() {
#if defined(__x86_64__)
  if (isa() == Isa::amx) return quantized_kernel_amx;
  if (isa() == Isa::avx512 && !has_vbmi()) {
    return adds_faster() ? quantized_kernel_avx512_crossing : quantized_kernel_avx512;
  }
  if (isa() == Isa::avx512) return adds_faster() ? quantized_kernel_avx512vbmi_crossing : quantized_kernel_avx512vbmi;
  if (isa() == Isa::avx2) return quantized_kernel_avx2;
#elif defined(__aarch64__)
  if (use_neon()) return quantized_kernel_neon;
#endif
  return quantized_kernel_portable;
}

}  // namespace

InputFormat input_format(const QuantizedMatrix& w) {
  return {w.cols, w.group_size, w.bits == 4, w.mode == QuantizationMode::affine};
}

InputLayout input_layout(const InputFormat& format, int64_t n) { return {format, n, kernel().shape}; }

int64_t most_input_floats(const InputFormat& format) {
  const int64_t most =
      std::max(input_layout(format, 1).input_floats(), input_layout(format, kernel().shape.most_inputs).input_floats());
  return (most + line_bytes / 4 - 1) / (line_bytes / 4) * (line_bytes / 4);
}

int64_t piece_rows() { return kernel().shape.piece_rows; }

void multiply_rounded(const QuantizedMatrix& w, const InputLayout& layout, const float* rounded, const float* bias,
                      float* y, int64_t begin, int64_t end) {
  float* scratch = thread_scratch(kernel().scratch_floats(layout));
  kernel().multiply(w, layout, rounded, bias, y, begin, end, scratch);
}

int64_t prefetch_rows(const QuantizedMatrix& w, int64_t begin, int64_t end) {
  const auto prefetch = [&](const void* from, int64_t row_bytes) {
    const char* at = static_cast<const char*>(from) + begin * row_bytes;
    const int64_t bytes = (end - begin) * row_bytes;
    for (int64_t line = 0; line < bytes; line += line_bytes) __builtin_prefetch(at + line, 0, 2);  // into L2
    return bytes;
  };
  const int64_t row_scale_bytes = w.cols / w.group_size * scale_bytes(w);
  return prefetch(w.weight, w.cols * w.bits / 8) + prefetch(w.scales, row_scale_bytes) +
         (w.biases != nullptr ? prefetch(w.biases, row_scale_bytes) : 0);
}

void quantized_matmul(const QuantizedMatrix& w, const float* x, int64_t n, const float* bias, float* y,
                      const Parallel& parallel) {
  if (n <= 0) return;
  const InputFormat format = input_format(w);
  const InputLayout layout = input_layout(format, n);
  float* rounded = thread_scratch(layout.floats(), Scratch::call);
  parallel_for(parallel, layout.blocks(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) round_block(format, layout, x, block, rounded);
  });
  parallel_for(parallel, w.rows, 8 * panel_rows,
               [&](int64_t begin, int64_t end) { multiply_rounded(w, layout, rounded, bias, y, begin, end); });
}

void quantized_rows(const QuantizedMatrix& w, const int32_t* ids, int64_t n, float* y) {
  const DequantizeRow dequantize = dequantizer(w);
  for (int64_t i = 0; i < n; ++i) dequantize(w, ids[i], y + i * w.cols);
}

}  // namespace punie::kernels
