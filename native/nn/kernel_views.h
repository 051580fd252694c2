#pragma once

#include "kernels/float_matmul.h"
#include "kernels/quantized_matmul.h"
#include "nn/matrix.h"

namespace punie::nn {

/// A matrix's tensors as the kernels take them. They point into the mapped file.
kernels::QuantizedMatrix quantized_view(const MatrixTensors& tensors);
kernels::FloatMatrix float_view(const MatrixTensors& tensors);

}  // namespace punie::nn
