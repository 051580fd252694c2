#include "nn/kernel_views.h"
#include "nn/matrix.h"

namespace punie::nn {

namespace {

/// What both kinds share; the tensors keep their file mapped.
class KernelMatrix : public Matrix {
 public:
  explicit KernelMatrix(MatrixTensors tensors) : tensors_(std::move(tensors)) {}

  std::int64_t out_features() const override { return tensors_.rows; }

 protected:
  /// `look_up(ids, n, y)` as a step.
  template <typename LookUp>
  Tensor rows_with(Pass& pass, std::vector<std::int32_t> ids, LookUp look_up) const {
    const auto n = static_cast<std::int64_t>(ids.size());
    auto rows = pass.make(n, tensors_.cols);
    pass.row_step(n, [ids = std::move(ids), look_up, y = rows.data(), cols = tensors_.cols](auto begin, auto end) {
      look_up(ids.data() + begin, end - begin, y + begin * cols);
    });
    return rows;
  }

  MatrixTensors tensors_;
};

class QuantizedKernelMatrix : public KernelMatrix {
 public:
  explicit QuantizedKernelMatrix(MatrixTensors tensors)
      : KernelMatrix(std::move(tensors)), view_(quantized_view(tensors_)) {}

  Product product(Pass& pass, const Tensor& x, const float* bias, float* y) const override {
    const auto& rounded = pass.rounded(x, kernels::input_format(view_));
    return [this, layout = rounded.layout, inputs = rounded.memory.get(), bias, y](auto begin, auto end) {
      kernels::multiply_rounded(view_, layout, inputs, bias, y, begin, end);
    };
  }

  std::int64_t prefetch(std::int64_t begin, std::int64_t end) const override {
    return kernels::prefetch_rows(view_, begin, end);
  }

  Tensor rows(Pass& pass, TokenIds ids) const override {
    return rows_with(
        pass, std::get<std::vector<std::int32_t>>(std::move(ids)),
        [this](const std::int32_t* begin, std::int64_t n, float* y) { kernels::quantized_rows(view_, begin, n, y); });
  }

 private:
  kernels::QuantizedMatrix view_;
};

class FloatKernelMatrix : public KernelMatrix {
 public:
  explicit FloatKernelMatrix(MatrixTensors tensors) : KernelMatrix(std::move(tensors)), view_(float_view(tensors_)) {}

  Product product(Pass&, const Tensor& x, const float* bias, float* y) const override {
    return [this, from = x.data(), n = x.rows(), bias, y](auto begin, auto end) {
      kernels::multiply_float_rows(view_, from, n, bias, y, begin, end);
    };
  }

  Tensor rows(Pass& pass, TokenIds ids) const override {
    return rows_with(
        pass, std::get<std::vector<std::int32_t>>(std::move(ids)),
        [this](const std::int32_t* begin, std::int64_t n, float* y) { kernels::float_rows(view_, begin, n, y); });
  }

 private:
  kernels::FloatMatrix view_;
};

}  // namespace

std::unique_ptr<Matrix> make_kernel_matrix(MatrixTensors tensors) {
  if (tensors.scales) return std::make_unique<QuantizedKernelMatrix>(std::move(tensors));
  return std::make_unique<FloatKernelMatrix>(std::move(tensors));
}

}  // namespace punie::nn
