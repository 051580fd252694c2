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
  return {.weight = tensors.weight.data,
          .scales = tensors.scales->data,
          .biases = tensors.biases ? tensors.biases->data : nullptr,
          .scale_type = tensors.quantization.affine() ? float_type(*tensors.scales) : kernels::FloatType::f32,
          .rows = tensors.rows,
          .cols = tensors.cols,
          .bits = tensors.quantization.bits,
          .group_size = tensors.quantization.group_size,
          .mode = tensors.quantization.mode,
          .scale_factor = tensors.scale_factor()};
}

kernels::FloatMatrix float_view(const MatrixTensors& tensors) {
  return {tensors.weight.data, float_type(tensors.weight), tensors.rows, tensors.cols};
}

}  // namespace punie::nn
