#include <cstring>

#include "error.h"
#include "nn/matrix.h"

namespace punie::nn {

namespace {

mx::Dtype mlx_dtype(io::Dtype dtype) {
  switch (dtype) {
    case io::Dtype::f32:
      return mx::float32;
    case io::Dtype::f16:
      return mx::float16;
    case io::Dtype::bf16:
      return mx::bfloat16;
    case io::Dtype::u32:
      return mx::uint32;
    case io::Dtype::u8:
      return mx::uint8;
    default:
      throw Error("INTERNAL", std::string("No layer takes the dtype ") + io::name_of(dtype) + ".");
  }
}

mx::array to_array(const TokenIds& ids) {
  if (const auto* computed = std::get_if<mx::array>(&ids)) return *computed;
  const auto& known = std::get<std::vector<std::int32_t>>(ids);
  return mx::array(known.begin(), {static_cast<int>(known.size())});
}

class QuantizedStockMatrix : public Matrix {
 public:
  QuantizedStockMatrix(const Runtime& runtime, const MatrixTensors& tensors)
      : runtime_(runtime),
        quantization_(tensors.quantization),
        weight_(to_array(runtime, tensors.weight, std::nullopt)),
        scales_(to_array(runtime, *tensors.scales,
                         quantization_.affine() ? std::optional(runtime.compute_dtype) : std::nullopt)),
        scale_factor_(tensors.scale_factor()) {
    if (tensors.biases) biases_ = to_array(runtime, *tensors.biases, runtime.compute_dtype);
  }

  mx::array multiply(const mx::array& x, const std::optional<mx::array>& bias) const override {
    const auto y = scaled(mx::quantized_matmul(x, weight_, scales_, biases_, true, quantization_.group_size,
                                               quantization_.bits, name_of(quantization_.mode), runtime_.stream));
    return bias ? mx::add(y, *bias, runtime_.stream) : y;
  }

  std::int64_t out_features() const override { return weight_.shape(0); }

  Tensor rows(Pass&, TokenIds ids) const override {
    const auto& s = runtime_.stream;
    const auto at = to_array(ids);
    const auto biases = biases_ ? std::optional(mx::take(*biases_, at, 0, s)) : std::nullopt;
    return Tensor(scaled(mx::dequantize(mx::take(weight_, at, 0, s), mx::take(scales_, at, 0, s), biases,
                                        quantization_.group_size, quantization_.bits, name_of(quantization_.mode),
                                        std::nullopt, runtime_.compute_dtype, s)));
  }

 private:
  /// MLX's product takes no global scale on all its devices: it is one factor of all that comes out.
  mx::array scaled(mx::array y) const {
    if (scale_factor_ == 1) return y;
    return mx::multiply(y, mx::array(scale_factor_, y.dtype()), runtime_.stream);
  }

  const Runtime& runtime_;
  Quantization quantization_;
  mx::array weight_;
  mx::array scales_;
  std::optional<mx::array> biases_;
  float scale_factor_;
};

class FloatStockMatrix : public Matrix {
 public:
  FloatStockMatrix(const Runtime& runtime, const MatrixTensors& tensors)
      : runtime_(runtime), weight_(to_array(runtime, tensors.weight, runtime.compute_dtype)) {}

  mx::array multiply(const mx::array& x, const std::optional<mx::array>& bias) const override {
    const auto& s = runtime_.stream;
    const auto transposed = mx::transpose(weight_, s);
    return bias ? mx::addmm(*bias, x, transposed, 1, 1, s) : mx::matmul(x, transposed, s);
  }

  std::int64_t out_features() const override { return weight_.shape(0); }

  Tensor rows(Pass&, TokenIds ids) const override {
    return Tensor(mx::take(weight_, to_array(ids), 0, runtime_.stream));
  }

 private:
  const Runtime& runtime_;
  mx::array weight_;
};

}  // namespace

mx::array to_array(const Runtime& runtime, const io::Tensor& tensor, std::optional<mx::Dtype> dtype) {
  auto buffer = mx::allocator::malloc(tensor.bytes);
  std::memcpy(buffer.buffer().raw_ptr(), tensor.data, tensor.bytes);
  mx::Shape shape(tensor.shape.begin(), tensor.shape.end());
  mx::array copy(std::move(buffer), std::move(shape), mlx_dtype(tensor.dtype));
  if (!dtype || copy.dtype() == *dtype) return copy;
  copy = mx::astype(copy, *dtype, runtime.stream);
  copy.eval();
  return copy;
}

std::unique_ptr<Matrix> make_stock_matrix(const Runtime& runtime, const MatrixTensors& tensors) {
  if (tensors.scales) return std::make_unique<QuantizedStockMatrix>(runtime, tensors);
  return std::make_unique<FloatStockMatrix>(runtime, tensors);
}

}  // namespace punie::nn
