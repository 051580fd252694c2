#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "io/tensor_store.h"
#include "nn/quantization.h"
#include "nn/runtime.h"

namespace punie::nn {

/// A weight matrix [rows, cols] as a checkpoint holds it: affine-quantized, or f32, f16, bf16. A linear layer
/// multiplies by it, an embedding looks rows up in it, a tied head does both.
class Matrix {
 public:
  virtual ~Matrix() = default;
  /// x [n, cols] times the transpose, plus `bias` [rows] if given: [n, rows].
  virtual mx::array multiply(const mx::array& x, const std::optional<mx::array>& bias) const = 0;
  /// The product as a plain function, for a kernel of several steps: x, n, bias (may be null), y. It keeps the weights
  /// alive. Empty where MLX's own operations are used.
  using Product = std::function<void(const float*, std::int64_t, const float*, float*)>;
  virtual Product product() const { return {}; }
  virtual std::int64_t out_features() const = 0;
  /// Rows by index, ids [n] of int32: [n, cols].
  virtual mx::array rows(const mx::array& ids) const = 0;
};

/// The tensors of one matrix; `scales` and `biases` only where it is quantized. Shapes have been checked.
struct MatrixTensors {
  io::Tensor weight;
  std::optional<io::Tensor> scales;
  std::optional<io::Tensor> biases;
  Quantization quantization;
  std::int64_t rows;
  std::int64_t cols;
};

/// Reads the mapped file where it lies.
std::unique_ptr<Matrix> make_kernel_matrix(const Runtime& runtime, MatrixTensors tensors);
/// Copies into MLX arrays and uses MLX's own operations: for GPUs, and for comparison on the CPU.
std::unique_ptr<Matrix> make_stock_matrix(const Runtime& runtime, const MatrixTensors& tensors);

/// A copy of a mapped tensor as an MLX array of `dtype`, with the tensor's shape. Tensors are not aligned in
/// safetensors, so MLX cannot use them in place.
mx::array to_array(const Runtime& runtime, const io::Tensor& tensor, std::optional<mx::Dtype> dtype);

}  // namespace punie::nn
