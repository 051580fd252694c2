#include "kernels/float_matmul.h"

#include "check.h"
#include "weights.h"

namespace punie::tests {
namespace {

using kernels::FloatMatrix;
using kernels::FloatType;
using kernels::Parallel;
using kernels::ThreadPool;

constexpr FloatType float_types[] = {FloatType::f32, FloatType::f16, FloatType::bf16};

void check_shape(int64_t rows, int64_t cols, FloatType type, const std::string& isa) {
  const StoredMatrix stored = random_floats(rows, cols, type, static_cast<uint64_t>(cols * 3 + rows));
  const MisalignedBytes weight(stored.weight);
  const FloatMatrix w{weight.data(), type, rows, cols};
  Random random(9);
  const std::vector<float> bias = random.floats(rows);
  for (const int64_t n : {1, 2, 5, 33}) {
    const std::string what = isa + ", " + type_name(type) + ", " + std::to_string(rows) + "x" + std::to_string(cols) +
                             ", n " + std::to_string(n);
    const std::vector<float> x = random.floats(n * cols);
    std::vector<float> y(static_cast<size_t>(n * rows), NAN), threaded(y);
    kernels::float_matmul(w, x.data(), n, bias.data(), y.data(), {});
    kernels::float_matmul(w, x.data(), n, bias.data(), threaded.data(), {&ThreadPool::shared(), 2});
    check_product(stored.values, rows, cols, x, n, bias.data(), y, what);
    check(std::memcmp(y.data(), threaded.data(), y.size() * 4) == 0, what + ": two threads give other bits");
    check_rows_alone(
        x, n, rows, cols, y,
        [&](const float* input, int64_t count, float* out) {
          kernels::float_matmul(w, input, count, bias.data(), out, {});
        },
        what);
  }
}

const Test every_type("float_matmul is float32-exact for every type at odd sizes, misaligned", [] {
  for_each_isa([](const std::string& isa) {
    for (const FloatType type : float_types)
      for (const int64_t rows : {1, 3, 7, 65})
        for (const int64_t cols : {1, 3, 7, 8, 9, 64, 511, 512, 513, 1100}) check_shape(rows, cols, type, isa);
  });
});

const Test rows_by_id("float_rows gathers rows as float32", [] {
  const int64_t rows = 4, cols = 11;
  for (const FloatType type : float_types) {
    const StoredMatrix stored = random_floats(rows, cols, type, 2);
    const MisalignedBytes weight(stored.weight);
    const std::vector<int32_t> ids = {3, 1, 3};
    std::vector<float> y(ids.size() * cols);
    kernels::float_rows({weight.data(), type, rows, cols}, ids.data(), 3, y.data());
    for (size_t i = 0; i < y.size(); ++i)
      check(y[i] == stored.values[static_cast<size_t>(ids[i / cols]) * cols + i % cols],
            std::string(type_name(type)) + ", value " + std::to_string(i));
  }
});

const Test half_floats("every kind of 16-bit float is read right", [] {
  using kernels::bf16_to_float;
  using kernels::f16_to_float;
  check(f16_to_float(0x3c00) == 1.0f && f16_to_float(0xc000) == -2.0f, "f16 normal");
  check(f16_to_float(0x0001) == 0x1p-24f && f16_to_float(0x83ff) == -1023 * 0x1p-24f, "f16 subnormal");
  check(f16_to_float(0x7bff) == 65504.0f && f16_to_float(0x0400) == 0x1p-14f, "f16 limits");
  check(f16_to_float(0xfc00) == -INFINITY && std::isnan(f16_to_float(0x7e00)), "f16 infinity and NaN");
  check(std::signbit(f16_to_float(0x8000)) && f16_to_float(0x8000) == 0, "f16 negative zero");
  check(bf16_to_float(0x3f80) == 1.0f && bf16_to_float(0xff80) == -INFINITY, "bf16");
});

}  // namespace
}  // namespace punie::tests
