// Products with weights of small floats: mxfp4, mxfp8 and nvfp4. The affine ones: quantized_matmul_test.cc.
#include "check.h"
#include "kernels/cpu_features.h"
#include "kernels/float_codes.h"
#include "kernels/quantized_matmul.h"
#include "weights.h"

namespace punie::tests {
namespace {

using kernels::FloatType;
using kernels::Parallel;
using kernels::QuantizationMode;
using kernels::QuantizedMatrix;
using kernels::ThreadPool;

struct Format {
  QuantizationMode mode;
  int bits;
  int group_size;
  float factor = 1;

  std::string name() const { return std::string(mode_name(mode)) + (factor == 1 ? "" : " with a global scale"); }
  QuantizedMatrix matrix(const void* weight, const void* scales, int64_t rows, int64_t cols) const {
    return {weight, scales, nullptr, FloatType::f32, rows, cols, bits, group_size, mode, factor};
  }
};

const Format formats[] = {{QuantizationMode::mxfp4, 4, 32},
                          {QuantizationMode::mxfp8, 8, 32},
                          {QuantizationMode::nvfp4, 4, 16},
                          {QuantizationMode::nvfp4, 4, 16, 0.0371f}};

void check_shape(const Format& format, int64_t rows, int64_t cols, const std::string& isa) {
  const auto stored = random_codes(rows, cols, format.mode, format.factor, static_cast<uint64_t>(cols + rows));
  const MisalignedBytes weight(stored.weight), scales(stored.scales);
  const QuantizedMatrix w = format.matrix(weight.data(), scales.data(), rows, cols);
  Random random(7);
  const std::vector<float> bias = random.floats(rows);
  const Parallel one, two{&ThreadPool::shared(), 2};
  for (const int64_t n : {1, 2, 3, 5, 8, 11, 12, 13, 33}) {
    const std::string what = isa + ", " + format.name() + ", " + std::to_string(rows) + "x" + std::to_string(cols) +
                             ", n " + std::to_string(n);
    const std::vector<float> x = random.floats(n * cols);
    std::vector<float> y(static_cast<size_t>(n * rows), NAN), threaded(y);
    kernels::quantized_matmul(w, x.data(), n, bias.data(), y.data(), one);
    kernels::quantized_matmul(w, x.data(), n, bias.data(), threaded.data(), two);
    check_product(stored.values, rows, cols, x, n, bias.data(), y, what, format.group_size);
    check(std::memcmp(y.data(), threaded.data(), y.size() * 4) == 0, what + ": two threads give other bits");
    check_rows_alone(
        x, n, rows, cols, y,
        [&](const float* input, int64_t count, float* out) {
          kernels::quantized_matmul(w, input, count, bias.data(), out, one);
        },
        what);
  }
}

const Test every_format("products with small floats are exact but for the rounding of their inputs, at odd sizes", [] {
  for_each_isa([](const std::string& isa) {
    for (const Format& format : formats)
      for (const int64_t rows : {1, 3, 7, 16, 43})
        for (const int64_t groups : {1, 2, 3, 7, 13}) check_shape(format, rows, groups * format.group_size, isa);
  });
});

const Test long_rows("products with small floats are exact around their blocks of columns", [] {
  for_each_isa([](const std::string& isa) {
    for (const Format& format : formats)
      for (const int64_t cols : {480, 512, 992, 1024, 1056, 2080}) check_shape(format, 17, cols, isa);
  });
});

const Test same_everywhere("an element of a product with small floats has the same bits with every instruction set",
                           [] {
                             for (const Format& format : formats)
                               for (const int64_t n : {1, 2, 3, 11, 25}) {
                                 const int64_t rows = 43, cols = 13 * 128;
                                 const auto stored = random_codes(rows, cols, format.mode, format.factor, 17);
                                 const QuantizedMatrix w =
                                     format.matrix(stored.weight.data(), stored.scales.data(), rows, cols);
                                 const std::vector<float> x = Random(static_cast<uint64_t>(n)).floats(n * cols);
                                 std::vector<std::vector<float>> results;
                                 for_each_isa([&](const std::string&) {
                                   results.emplace_back(static_cast<size_t>(n * rows));
                                   kernels::quantized_matmul(w, x.data(), n, nullptr, results.back().data(), {});
                                 });
                                 for (const auto& y : results) {
                                   check(std::memcmp(y.data(), results[0].data(), y.size() * 4) == 0,
                                         format.name() + ", n " + std::to_string(n));
                                 }
                               }
                           });

/// Each of a row's columns alone: 32 rows of one group, in which every code of every column occurs.
const Test every_code(
    "every code of E2M1 and E4M3 has its value, in every column of a group, as a product and a row", [] {
      for_each_isa([](const std::string& isa) {
        for (const Format& format : formats) {
          const bool wide = format.bits == 8;
          const int64_t rows = wide ? 256 : 16, cols = format.group_size;
          std::vector<uint8_t> weight,
              scales(static_cast<size_t>(rows),
                     wide || format.mode == QuantizationMode::mxfp4 ? uint8_t{127} : uint8_t{0x38});
          for (int64_t row = 0; row < rows; ++row)
            for (int64_t i = 0; i < cols; i += wide ? 1 : 2)
              weight.push_back(static_cast<uint8_t>(wide ? row : row | row << 4));
          const QuantizedMatrix w = format.matrix(weight.data(), scales.data(), rows, cols);
          for (int64_t column = 0; column < cols; ++column) {
            std::vector<float> x(static_cast<size_t>(cols)), y(static_cast<size_t>(rows));
            x[static_cast<size_t>(column)] = 1;
            kernels::quantized_matmul(w, x.data(), 1, nullptr, y.data(), {});
            for (int64_t row = 0; row < rows; ++row) {
              if (wide && (row & 0x7f) == 0x7f) continue;  // NaN, which MLX's quantize never makes
              const double value =
                  wide ? e4m3_value(static_cast<uint32_t>(row)) : e2m1_value(static_cast<uint32_t>(row));
              check(
                  std::abs(y[static_cast<size_t>(row)] - value * format.factor) <= 3e-5 * std::abs(value),
                  isa + ", " + format.name() + ", code " + std::to_string(row) + ", column " + std::to_string(column));
            }
          }
          for (int32_t row = 0; row < rows; ++row) {
            std::vector<float> y(static_cast<size_t>(cols));
            kernels::quantized_rows(w, &row, 1, y.data());
            const double value = wide ? e4m3_value(static_cast<uint32_t>(row)) : e2m1_value(static_cast<uint32_t>(row));
            for (const float got : y)
              check(
                  std::isnan(value) ? std::isnan(got) : std::abs(got - value * format.factor) <= 1e-6 * std::abs(value),
                  format.name() + ", row of code " + std::to_string(row));
          }
        }
      });
    });

const Test every_scale("every scale of E8M0 and E4M3 has its value, and one that is not finite gives what is not", [] {
  for_each_isa([](const std::string& isa) {
    for (const Format& format : formats) {
      const int64_t rows = 256, cols = 3 * format.group_size;
      const bool nvfp4 = format.mode == QuantizationMode::nvfp4;
      // Codes of one: 0x2 in E2M1, 0x38 in E4M3. Every scale stands in each of a row's groups.
      const std::vector<uint8_t> weight(static_cast<size_t>(rows * cols * format.bits / 8),
                                        format.bits == 8 ? 0x38 : 0x22);
      std::vector<uint8_t> scales;
      for (int64_t i = 0; i < 3 * rows; ++i) scales.push_back(static_cast<uint8_t>(i / 3));
      const QuantizedMatrix w = format.matrix(weight.data(), scales.data(), rows, cols);
      for (const int64_t n : {1, 3}) {
        std::vector<float> x(static_cast<size_t>(n * cols), 0), y(static_cast<size_t>(n * rows));
        x[static_cast<size_t>(cols - 1)] = 1;
        kernels::quantized_matmul(w, x.data(), n, nullptr, y.data(), {});
        for (uint32_t row = 0; row < rows; ++row) {
          const double value = nvfp4 ? e4m3_value(row) * format.factor : e8m0_value(row);
          const float got = y[row];
          // The least scales times an input's are below float32's normal numbers.
          check(std::isfinite(value) ? std::abs(got - value) <= 3e-5 * std::abs(value) + 1e-36 : !std::isfinite(got),
                isa + ", " + format.name() + ", scale " + std::to_string(row) + ": " + std::to_string(got));
        }
      }
    }
  });
});

const Test rows_by_id("quantized_rows gathers dequantized rows of small floats, in any order and more than once", [] {
  for (const Format& format : formats) {
    const int64_t rows = 5, cols = 96;
    const auto stored = random_codes(rows, cols, format.mode, format.factor, 11);
    const MisalignedBytes weight(stored.weight), scales(stored.scales);
    const QuantizedMatrix w = format.matrix(weight.data(), scales.data(), rows, cols);
    const std::vector<int32_t> ids = {4, 0, 4, 2};
    std::vector<float> y(ids.size() * cols);
    kernels::quantized_rows(w, ids.data(), static_cast<int64_t>(ids.size()), y.data());
    for (size_t i = 0; i < y.size(); ++i) {
      const double wanted = stored.values[static_cast<size_t>(ids[i / cols]) * cols + i % cols];
      check(std::abs(y[i] - wanted) <= 1e-6 * std::abs(wanted), format.name() + ", value " + std::to_string(i));
    }
  }
});

}  // namespace
}  // namespace punie::tests
