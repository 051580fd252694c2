#include "nn/low_rank.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "error.h"
#include "kernels/float_matmul.h"

namespace punie::nn {

namespace {

/// Rows of a matrix that are held as floats at once.
constexpr std::int64_t kNormRows = 256;

mx::array to_array(const std::vector<float>& values, std::int64_t rows, std::int64_t cols) {
  return mx::array(values.data(), {static_cast<int>(rows), static_cast<int>(cols)}, mx::float32);
}

/// y[size] += the sum of rows[k][size] * factors[k]. Four rows at a time: y is read and written a quarter as often.
void add_scaled_rows(const float* factors, std::int64_t count, const float* rows, std::int64_t size, float* y) {
  std::int64_t k = 0;
  for (; k + 4 <= count; k += 4) {
    const float *r0 = rows + k * size, *r1 = r0 + size, *r2 = r1 + size, *r3 = r2 + size;
    const float f0 = factors[k], f1 = factors[k + 1], f2 = factors[k + 2], f3 = factors[k + 3];
    for (std::int64_t i = 0; i < size; ++i) y[i] += (f0 * r0[i] + f1 * r1[i]) + (f2 * r2[i] + f3 * r3[i]);
  }
  for (; k < count; ++k) {
    for (std::int64_t i = 0; i < size; ++i) y[i] += factors[k] * rows[k * size + i];
  }
}

void require_finite(const std::vector<float>& values) {
  if (std::ranges::all_of(values, [](float x) { return std::isfinite(x); })) return;
  throw Error("MODEL_CORRUPT", "The adapter holds values that are not finite (NaN or infinity).");
}

}  // namespace

void LowRank::Values::check_finite() const {
  require_finite(a);
  require_finite(b);
}

mx::array LowRank::Values::array_a() const { return to_array(a, rank, in); }
mx::array LowRank::Values::array_b() const { return to_array(b, rank, out); }

void LowRank::Values::add(const float* x, float* y, std::int64_t rows) const {
  std::vector<float> inner(static_cast<std::size_t>(rows * rank));
  const kernels::FloatMatrix matrix{a.data(), kernels::FloatType::f32, rank, in};
  kernels::multiply_float_rows(matrix, x, rows, nullptr, inner.data(), 0, rank);
  for (std::int64_t row = 0; row < rows; ++row) {
    add_scaled_rows(inner.data() + row * rank, rank, b.data(), out, y + row * out);
  }
}

LowRank::LowRank(const Runtime& runtime, Values values, const Matrix& weight)
    : runtime_(runtime), values_(std::move(values)) {
  values_.check_finite();
  if (!values_.magnitude.empty()) {
    factors_ = row_norms(weight);
    std::ranges::transform(values_.magnitude, factors_, factors_.begin(), [](float m, float norm) { return m / norm; });
    require_finite(factors_);
  }
  if (!runtime.use_kernels) arrays_ = make_arrays();
}

std::vector<float> LowRank::row_norms(const Matrix& weight) const {
  std::vector<float> norms(static_cast<std::size_t>(values_.out));
  for (std::int64_t first = 0; first < values_.out; first += kNormRows) {
    std::vector<std::int32_t> ids(static_cast<std::size_t>(std::min(kNormRows, values_.out - first)));
    std::iota(ids.begin(), ids.end(), static_cast<std::int32_t>(first));
    Pass pass(runtime_, {});
    const auto rows = weight.rows(pass, std::move(ids));
    pass.each_row(rows, [this, first, &norms](std::int64_t row, std::span<const float> weights) {
      std::vector<float> adapted(weights.begin(), weights.end());
      std::vector<float> factors;
      for (std::int64_t k = 0; k < values_.rank; ++k) {
        factors.push_back(values_.b[static_cast<std::size_t>(k * values_.out + first + row)]);
      }
      add_scaled_rows(factors.data(), values_.rank, values_.a.data(), values_.in, adapted.data());
      double sum = 0;
      for (const float x : adapted) sum += static_cast<double>(x) * static_cast<double>(x);
      norms[static_cast<std::size_t>(first + row)] = static_cast<float>(std::sqrt(sum));
    });
    pass.run(rows);
  }
  return norms;
}

LowRank::Arrays LowRank::make_arrays() const {
  const auto& s = runtime_.stream;
  const auto cast = [&](const mx::array& array) { return mx::astype(array, runtime_.compute_dtype, s); };
  Arrays arrays{mx::contiguous(mx::transpose(cast(values_.array_a()), s), false, s), cast(values_.array_b()),
                std::nullopt};
  if (!factors_.empty()) arrays.factors = cast(to_array(factors_, 1, values_.out));
  mx::eval(arrays.a, arrays.b);
  if (arrays.factors) mx::eval(*arrays.factors);
  return arrays;
}

Tensor LowRank::apply(Pass& pass, const Tensor& x, const Tensor& y, const std::optional<mx::array>& bias) const {
  if (!pass.kernels()) return Tensor(add_stock(x.array(), y.array(), bias));
  const float* added = bias ? bias->data<float>() : nullptr;
  pass.row_step(x.rows(), [this, added, from = x.data(), to = y.data()](auto begin, auto end) {
    add_rows(from + begin * values_.in, added, to + begin * values_.out, end - begin);
  });
  return y;
}

void LowRank::add_rows(const float* x, const float* bias, float* y, std::int64_t rows) const {
  values_.add(x, y, rows);
  if (factors_.empty()) return;
  const auto out = values_.out;
  for (std::int64_t row = 0; row < rows; ++row, y += out) {
    for (std::int64_t i = 0; i < out; ++i) y[i] *= factors_[static_cast<std::size_t>(i)];
    if (bias == nullptr) continue;
    for (std::int64_t i = 0; i < out; ++i) y[i] += bias[i];
  }
}

mx::array LowRank::add_stock(const mx::array& x, const mx::array& y, const std::optional<mx::array>& bias) const {
  const auto& s = runtime_.stream;
  auto sum = mx::add(y, mx::matmul(mx::matmul(x, arrays_->a, s), arrays_->b, s), s);
  if (!arrays_->factors) return sum;
  sum = mx::multiply(sum, *arrays_->factors, s);
  return bias ? mx::add(sum, *bias, s) : sum;
}

}  // namespace punie::nn
