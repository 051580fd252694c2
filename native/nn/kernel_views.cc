#include "nn/kernel_views.h"

#include "error.h"

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

}  // namespace

kernels::QuantizedMatrix quantized_view(const MatrixTensors& tensors) {
  return {tensors.weight.data, tensors.scales->data, tensors.biases->data,      float_type(*tensors.scales),
          tensors.rows,        tensors.cols,         tensors.quantization.bits, tensors.quantization.group_size};
}

kernels::FloatMatrix float_view(const MatrixTensors& tensors) {
  return {tensors.weight.data, float_type(tensors.weight), tensors.rows, tensors.cols};
}

}  // namespace punie::nn
