#include "error.h"
#include "kernels/float_matmul.h"
#include "kernels/quantized_matmul.h"
#include "nn/cpu_op.h"
#include "nn/matrix.h"

namespace punie::nn {

namespace {

kernels::FloatType float_type(const io::Tensor& tensor) {
  switch (tensor.dtype) {
    case io::Dtype::f32:
      return kernels::FloatType::f32;
    case io::Dtype::f16:
      return kernels::FloatType::f16;
    case io::Dtype::bf16:
      return kernels::FloatType::bf16;
    default:
      throw Error("INTERNAL", "A matrix has a dtype that is not a float.");
  }
}

/// `View` is kernels::QuantizedMatrix or kernels::FloatMatrix; the overloads below pick the kernel.
void multiply_rows(const kernels::QuantizedMatrix& view, const float* x, std::int64_t n, const float* bias, float* y,
                   const kernels::Parallel& parallel) {
  kernels::quantized_matmul(view, x, n, bias, y, parallel);
}
void multiply_rows(const kernels::FloatMatrix& view, const float* x, std::int64_t n, const float* bias, float* y,
                   const kernels::Parallel& parallel) {
  kernels::float_matmul(view, x, n, bias, y, parallel);
}
void look_up(const kernels::QuantizedMatrix& view, const std::int32_t* ids, std::int64_t n, float* y) {
  kernels::quantized_rows(view, ids, n, y);
}
void look_up(const kernels::FloatMatrix& view, const std::int32_t* ids, std::int64_t n, float* y) {
  kernels::float_rows(view, ids, n, y);
}

template <typename View>
class KernelMatrix : public Matrix {
 public:
  KernelMatrix(const Runtime& runtime, MatrixTensors tensors, View view)
      : runtime_(runtime), tensors_(std::make_shared<MatrixTensors>(std::move(tensors))), view_(view) {}

  mx::array multiply(const mx::array& x, const std::optional<mx::array>& bias) const override {
    const auto n = x.shape(0);
    std::vector<mx::array> inputs{x};
    if (bias) inputs.push_back(*bias);
    return cpu_op("KernelMatmul", runtime_, {n, static_cast<int>(tensors_->rows)}, std::move(inputs),
                  [run = product(), n](const auto& in, float* out) {
                    const auto* bias = in.size() > 1 ? static_cast<const float*>(in[1]) : nullptr;
                    run(static_cast<const float*>(in[0]), n, bias, out);
                  });
  }

  Product product() const override {
    return [keep = tensors_, view = view_, parallel = runtime_.parallel](const float* x, std::int64_t n,
                                                                         const float* bias, float* y) {
      multiply_rows(view, x, n, bias, y, parallel);
    };
  }

  std::int64_t out_features() const override { return tensors_->rows; }

  mx::array rows(const mx::array& ids) const override {
    const auto n = ids.shape(0);
    return cpu_op("KernelRows", runtime_, {n, static_cast<int>(tensors_->cols)}, {ids},
                  [keep = tensors_, view = view_, n](const auto& in, float* out) {
                    look_up(view, static_cast<const std::int32_t*>(in[0]), n, out);
                  });
  }

 private:
  const Runtime& runtime_;
  /// Shared with the graphs that read it, so that the file stays mapped until the last of them has run.
  std::shared_ptr<const MatrixTensors> tensors_;
  View view_;
};

}  // namespace

std::unique_ptr<Matrix> make_kernel_matrix(const Runtime& runtime, MatrixTensors tensors) {
  if (tensors.scales) {
    const kernels::QuantizedMatrix view{
        tensors.weight.data, tensors.scales->data, tensors.biases->data,      float_type(*tensors.scales),
        tensors.rows,        tensors.cols,         tensors.quantization.bits, tensors.quantization.group_size};
    return std::make_unique<KernelMatrix<kernels::QuantizedMatrix>>(runtime, std::move(tensors), view);
  }
  const kernels::FloatMatrix view{tensors.weight.data, float_type(tensors.weight), tensors.rows, tensors.cols};
  return std::make_unique<KernelMatrix<kernels::FloatMatrix>>(runtime, std::move(tensors), view);
}

}  // namespace punie::nn
