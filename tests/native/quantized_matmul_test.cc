#include "kernels/quantized_matmul.h"

#include "check.h"
#include "kernels/cpu_features.h"
#include "mlx_golden.h"
#include "weights.h"

namespace punie::tests {
namespace {

using kernels::FloatType;
using kernels::Parallel;
using kernels::QuantizedMatrix;
using kernels::ThreadPool;

constexpr FloatType float_types[] = {FloatType::f32, FloatType::f16, FloatType::bf16};

/// Columns of one scale of the inputs, which are rounded to 16 bits.
int64_t rounded_unit(const QuantizedMatrix& w) { return std::min(w.group_size, 64); }

void check_shape(int64_t rows, int64_t cols, int bits, int group_size, FloatType type, const std::string& isa) {
  const StoredMatrix stored = random_quantized(rows, cols, bits, group_size, type, static_cast<uint64_t>(cols + rows));
  const MisalignedBytes weight(stored.weight), scales(stored.scales), biases(stored.biases);
  const QuantizedMatrix w{weight.data(), scales.data(), biases.data(), type, rows, cols, bits, group_size};
  Random random(7);
  const std::vector<float> bias = random.floats(rows);
  const Parallel one, two{&ThreadPool::shared(), 2};
  for (const int64_t n : {1, 2, 3, 4, 5, 12, 33}) {
    const std::string what = isa + ", " + std::to_string(bits) + " bits, group " + std::to_string(group_size) + ", " +
                             type_name(type) + ", " + std::to_string(rows) + "x" + std::to_string(cols) + ", n " +
                             std::to_string(n);
    const std::vector<float> x = random.floats(n * cols);
    std::vector<float> y(static_cast<size_t>(n * rows), NAN), threaded(y);
    kernels::quantized_matmul(w, x.data(), n, bias.data(), y.data(), one);
    kernels::quantized_matmul(w, x.data(), n, bias.data(), threaded.data(), two);
    check_product(stored.values, rows, cols, x, n, bias.data(), y, what, rounded_unit(w));
    check(std::memcmp(y.data(), threaded.data(), y.size() * 4) == 0, what + ": two threads give other bits");
    check_rows_alone(
        x, n, rows, cols, y,
        [&](const float* input, int64_t count, float* out) {
          kernels::quantized_matmul(w, input, count, bias.data(), out, one);
        },
        what);
  }
}

const Test every_format(
    "quantized_matmul is exact but for the rounding of its inputs: every width, group size and scale type, misaligned",
    [] {
      for_each_isa([](const std::string& isa) {
        for (const int bits : {2, 3, 4, 5, 6, 8})
          for (const int group_size : {32, 64, 128})
            for (const FloatType type : float_types) check_shape(7, group_size * 3, bits, group_size, type, isa);
      });
    });

const Test odd_sizes("quantized_matmul is exact at odd row counts and around its block of columns", [] {
  for_each_isa([](const std::string& isa) {
    for (const int bits : {3, 4, 6})
      for (const int64_t rows : {1, 3, 7, 64, 65, 131})
        for (const int64_t cols : {32, 480, 512, 544, 1056}) check_shape(rows, cols, bits, 32, FloatType::bf16, isa);
  });
});

const Test same_everywhere("an element of quantized_matmul has the same bits with every instruction set", [] {
  for (const int bits : {2, 3, 4, 5, 6, 8})
    for (const int group_size : {32, 64, 128})
      for (const int64_t n : {1, 2, 3, 4, 11, 12, 25}) {
        const int64_t rows = 43, cols = 13 * 128;
        const StoredMatrix stored = random_quantized(rows, cols, bits, group_size, FloatType::bf16, 17);
        const QuantizedMatrix w{stored.weight.data(),
                                stored.scales.data(),
                                stored.biases.data(),
                                FloatType::bf16,
                                rows,
                                cols,
                                bits,
                                group_size};
        const std::vector<float> x = Random(static_cast<uint64_t>(n)).floats(n * cols);
        std::vector<std::vector<float>> results;
        for_each_isa([&](const std::string&) {
          results.emplace_back(static_cast<size_t>(n * rows));
          kernels::quantized_matmul(w, x.data(), n, nullptr, results.back().data(), {});
        });
        for (const auto& y : results) {
          check(std::memcmp(y.data(), results[0].data(), y.size() * 4) == 0,
                std::to_string(bits) + " bits, group " + std::to_string(group_size) + ", n " + std::to_string(n));
        }
      }
});

const Test largest("quantized_matmul is exact where inputs and codes are the largest", [] {
  const int64_t rows = 19, cols = 256;
  for (const int bits : {2, 3, 4, 5, 6, 8})
    for (const float sign : {1.0f, -1.0f})
      for (const int64_t n : {1, 3, 12, 13, 24}) {
        const std::vector<uint8_t> weight(static_cast<size_t>(rows * cols * bits / 8), 0xff);
        const std::vector<float> scales(rows * cols / 64, 1), biases(rows * cols / 64, 0);
        const QuantizedMatrix w{weight.data(), scales.data(), biases.data(), FloatType::f32, rows, cols, bits, 64};
        const std::vector<float> x(static_cast<size_t>(n * cols), sign);
        const float wanted = sign * cols * static_cast<float>((1 << bits) - 1);
        for_each_isa([&](const std::string& isa) {
          std::vector<float> y(static_cast<size_t>(n * rows));
          kernels::quantized_matmul(w, x.data(), n, nullptr, y.data(), {});
          for (const float value : y) {
            check(std::abs(value - wanted) <= 1e-6f * std::abs(wanted),
                  isa + ", " + std::to_string(bits) + " bits, n " + std::to_string(n) + ": " + std::to_string(value));
          }
        });
      }
});

const Test layouts("no number of inputs takes more than most_input_floats says", [] {
  for_each_isa([](const std::string& isa) {
    for (const int bits : {3, 4, 8})
      for (const int group_size : {16, 32, 64, 128})
        for (const bool integers : {true, false})
          for (const int64_t cols : {128, 384, 2048}) {
            const kernels::InputFormat format{cols, group_size, bits == 4, integers};
            for (int64_t n = 1; n <= 50; ++n) {
              const int64_t floats = kernels::input_layout(format, n).floats();
              const int64_t most = (n + 2) * kernels::most_input_floats(format);
              check(floats <= most, isa + ", group " + std::to_string(group_size) + ", n " + std::to_string(n) + ": " +
                                        std::to_string(floats) + " of " + std::to_string(most));
            }
          }
  });
});

const Test not_finite("an input that is not finite makes quantized_matmul's result not finite", [] {
  for_each_isa([](const std::string& isa) {
    for (const float bad : {INFINITY, -INFINITY, NAN}) {
      const StoredMatrix stored = random_quantized(3, 128, 4, 64, FloatType::bf16, 9);
      const QuantizedMatrix w{
          stored.weight.data(), stored.scales.data(), stored.biases.data(), FloatType::bf16, 3, 128, 4, 64};
      std::vector<float> x(128, 0.5f), y(3);
      x[70] = bad;
      kernels::quantized_matmul(w, x.data(), 1, nullptr, y.data(), {});
      for (const float value : y) check(!std::isfinite(value), isa + ": " + std::to_string(bad) + " gave a number");
    }
  });
});

const Test many_inputs("a row of quantized_matmul has the same bits among 200 inputs", [] {
  for_each_isa([](const std::string& isa) {
    const int64_t rows = 67, cols = 576, n = 200;
    const StoredMatrix stored = random_quantized(rows, cols, 4, 64, FloatType::f16, 5);
    const QuantizedMatrix w{
        stored.weight.data(), stored.scales.data(), stored.biases.data(), FloatType::f16, rows, cols, 4, 64};
    Random random(3);
    const std::vector<float> x = random.floats(n * cols);
    std::vector<float> y(static_cast<size_t>(n * rows));
    kernels::quantized_matmul(w, x.data(), n, nullptr, y.data(), {&ThreadPool::shared(), 3});
    check_product(stored.values, rows, cols, x, n, nullptr, y, isa, rounded_unit(w));
    check_rows_alone(
        x, n, rows, cols, y,
        [&](const float* input, int64_t count, float* out) {
          kernels::quantized_matmul(w, input, count, nullptr, out, {});
        },
        isa);
  });
});

const Test rows_by_id("quantized_rows gathers dequantized rows, in any order and more than once", [] {
  const int64_t rows = 5, cols = 96;
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    const StoredMatrix stored = random_quantized(rows, cols, bits, 32, FloatType::f16, 11);
    const MisalignedBytes weight(stored.weight), scales(stored.scales), biases(stored.biases);
    const QuantizedMatrix w{weight.data(), scales.data(), biases.data(), FloatType::f16, rows, cols, bits, 32};
    const std::vector<int32_t> ids = {4, 0, 4, 2};
    std::vector<float> y(ids.size() * cols);
    kernels::quantized_rows(w, ids.data(), static_cast<int64_t>(ids.size()), y.data());
    for (size_t i = 0; i < y.size(); ++i) {
      const double wanted = stored.values[static_cast<size_t>(ids[i / cols]) * cols + i % cols];
      check(std::abs(y[i] - wanted) <= 1e-6, std::to_string(bits) + " bits, value " + std::to_string(i));
    }
  }
});

const Test as_mlx("the packed layout is MLX's at every width", [] {
  for (const MlxGolden& golden : mlx_goldens) {
    const float scale = golden.scale, bias = golden.bias;
    const QuantizedMatrix w{golden.words, &scale, &bias, FloatType::f32, 1, 32, golden.bits, 32};
    const int32_t id = 0;
    float y[32];
    kernels::quantized_rows(w, &id, 1, y);
    for (int i = 0; i < 32; ++i)
      check(std::abs(y[i] - golden.values[i]) <= 1e-6f * std::abs(golden.values[i]) + 1e-7f,
            std::to_string(golden.bits) + " bits, value " + std::to_string(i) + ": " + std::to_string(y[i]));
  }
});

}  // namespace
}  // namespace punie::tests
