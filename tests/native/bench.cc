#include "bench.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "check.h"
#include "kernels/attention.h"
#include "kernels/cpu_features.h"
#include "kernels/float_matmul.h"
#include "kernels/memory_bandwidth.h"
#include "kernels/quantized_matmul.h"
#include "kernels/usable_cores.h"
#include "stored_cache.h"
#include "weights.h"

namespace punie::tests {
namespace {

using kernels::FloatType;
using kernels::Parallel;
using kernels::ThreadPool;
using Clock = std::chrono::steady_clock;

/// The median time of a call in seconds, over half a second or five calls.
template <class Function>
double median_seconds(Function function) {
  function();
  std::vector<double> times;
  const auto start = Clock::now();
  while (times.size() < 5 || Clock::now() - start < std::chrono::milliseconds(500)) {
    const auto begin = Clock::now();
    function();
    times.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

struct Format {
  kernels::QuantizationMode mode;
  int bits;
  int group_size;
};
using Mode = kernels::QuantizationMode;

void bench_quantized(const Format& format, int64_t n, const Parallel& parallel) {
  // For a token, or some together, enough copies of a matrix that they come from memory, as a model's layers do.
  const int64_t rows = 4096, cols = 4096;
  const int64_t copies = n <= 8 ? 16 : 1;
  const bool affine = format.mode == Mode::affine;
  const size_t weight_bytes = static_cast<size_t>(rows * cols * format.bits / 8);
  const size_t scale_bytes = static_cast<size_t>(rows * cols / format.group_size * (affine ? 2 : 1));
  const std::vector<uint8_t> weight(weight_bytes * static_cast<size_t>(copies), 0x5a);
  const std::vector<uint8_t> scales(scale_bytes * static_cast<size_t>(copies), 0x3c);
  const std::vector<float> x = Random(1).floats(n * cols);
  std::vector<float> y(static_cast<size_t>(n * rows));
  int64_t copy = 0;
  const double seconds = median_seconds([&] {
    const size_t at = static_cast<size_t>(copy++ % copies);
    const void* scale = scales.data() + at * scale_bytes;
    kernels::quantized_matmul({weight.data() + at * weight_bytes, scale, affine ? scale : nullptr, FloatType::bf16,
                               rows, cols, format.bits, format.group_size, format.mode},
                              x.data(), n, nullptr, y.data(), parallel);
  });
  const double bytes = static_cast<double>(weight_bytes + (affine ? 2 : 1) * scale_bytes);
  std::printf(
      "quantized_matmul %dx%d, %s, %d bits, group %3d, n %3d, %d threads: %6.2f ms, %5.1f GB/s, %6.1f GFLOP/s\n",
      static_cast<int>(rows), static_cast<int>(cols), mode_name(format.mode), format.bits, format.group_size,
      static_cast<int>(n), parallel.threads, seconds * 1e3, bytes / seconds * 1e-9,
      2e-9 * static_cast<double>(rows * cols * n) / seconds);
}

void bench_float(FloatType type, const char* name, int64_t n, const Parallel& parallel) {
  const int64_t rows = 4096, cols = 4096;
  const std::vector<uint8_t> weight(static_cast<size_t>(rows * cols * kernels::float_bytes(type)), 0x3c);
  const std::vector<float> x = Random(1).floats(n * cols);
  std::vector<float> y(static_cast<size_t>(n * rows));
  const double seconds = median_seconds(
      [&] { kernels::float_matmul({weight.data(), type, rows, cols}, x.data(), n, nullptr, y.data(), parallel); });
  std::printf("float_matmul %dx%d, %s, n %3d, %d threads: %6.2f ms, %5.1f GB/s, %6.1f GFLOP/s\n",
              static_cast<int>(rows), static_cast<int>(cols), name, static_cast<int>(n), parallel.threads,
              seconds * 1e3, static_cast<double>(weight.size()) / seconds * 1e-9,
              2e-9 * static_cast<double>(rows * cols * n) / seconds);
}

void bench_attention(int64_t n, int64_t context, const Parallel& parallel) {
  const int64_t heads = 12, kv_heads = 2, head_dim = 128;
  const StoredCache cache(context, kv_heads, head_dim, 1);
  const std::vector<float> q = Random(3).floats(n * heads * head_dim);
  std::vector<float> y(q.size());
  const double seconds = median_seconds(
      [&] { kernels::attention(q.data(), n, heads, cache.view, context - n, 0, 0.088f, y.data(), parallel); });
  const double pairs = static_cast<double>(n) * (static_cast<double>(context) - static_cast<double>(n - 1) / 2);
  std::printf("attention 12 heads, 2 key heads, 128, n %3d of %5d, %d threads: %7.3f ms, %5.1f GB/s, %6.1f GFLOP/s\n",
              static_cast<int>(n), static_cast<int>(context), parallel.threads, seconds * 1e3,
              static_cast<double>((cache.keys.size() + cache.values.size()) * 2) / seconds * 1e-9,
              4e-9 * pairs * static_cast<double>(heads * head_dim) / seconds);
}

}  // namespace

void run_bench() {
  const int cores = kernels::usable_cores();
  const Parallel one{&ThreadPool::shared(), 1}, all{&ThreadPool::shared(), cores};
  std::printf("%s, %d cores, memory bandwidth %.1f GB/s, on one core %.1f GB/s\n", kernels::name_of(kernels::isa()),
              cores, kernels::measure_memory_bandwidth(cores) * 1e-9, kernels::measure_memory_bandwidth(1) * 1e-9);
  const Format four{Mode::affine, 4, 64};
  for (const int bits : {2, 3, 4, 5, 6, 8}) bench_quantized({Mode::affine, bits, 64}, 1, all);
  bench_quantized(four, 1, one);
  bench_quantized({Mode::affine, 4, 32}, 1, all);
  const Format small_floats[] = {{Mode::mxfp4, 4, 32}, {Mode::nvfp4, 4, 16}, {Mode::mxfp8, 8, 32}};
  for (const Format& format : small_floats) bench_quantized(format, 1, all);
  for (const int64_t n : {2, 4, 8, 64, 512}) bench_quantized(four, n, all);
  bench_quantized(four, 512, one);
  for (const Format& format : small_floats) bench_quantized(format, 512, all);
  bench_float(FloatType::f32, "f32", 1, all);
  bench_float(FloatType::bf16, "bf16", 1, all);
  bench_float(FloatType::bf16, "bf16", 512, all);
  bench_attention(1, 512, all);
  bench_attention(1, 8192, all);
  bench_attention(512, 512, all);
  bench_attention(512, 8192, all);
}

}  // namespace punie::tests
