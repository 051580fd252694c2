#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "io/tensor_store.h"
#include "nn/pass.h"
#include "nn/quantization.h"
#include "nn/runtime.h"
#include "nn/tensor.h"
#include "nn/token_ids.h"

namespace punie::nn {

/// A weight matrix [rows, cols] as a checkpoint holds it: quantized, or f32, f16, bf16. A linear layer
/// multiplies by it, an embedding looks rows up in it, a tied head does both. Of the two ways to multiply it has the
/// one that its runtime asks for.
class Matrix {
 public:
  virtual ~Matrix() = default;
  virtual std::int64_t out_features() const = 0;
  /// Rows by index, ids [n]: [n, cols].
  virtual Tensor rows(Pass& pass, TokenIds ids) const = 0;

  /// With MLX's operations: x [n, cols] times the transpose, plus `bias` [rows] if given: [n, rows].
  virtual mx::array multiply(const mx::array& x, const std::optional<mx::array>& bias) const;

  /// With the kernels: a function that computes y[n, rows]'s columns [begin, end), where `begin` is a multiple of
  /// kernels::panel_rows. What it needs of x beside x's data is added to the pass.
  using Product = std::function<void(std::int64_t begin, std::int64_t end)>;
  virtual Product product(Pass& pass, const Tensor& x, const float* bias, float* y) const;
  /// Asks memory for rows [begin, end), and returns how many bytes they are; 0 of a kind that does not.
  virtual std::int64_t prefetch(std::int64_t, std::int64_t) const { return 0; }
};

/// The tensors of one matrix; `scales` only where it is quantized, `biases` where that is affine. Shapes have been
/// checked.
struct MatrixTensors {
  io::Tensor weight;
  std::optional<io::Tensor> scales;
  std::optional<io::Tensor> biases;
  Quantization quantization;
  std::int64_t rows;
  std::int64_t cols;
  /// One float32 that multiplies an nvfp4 matrix, where it has one.
  std::optional<io::Tensor> global_scale = std::nullopt;

  /// By which every value is multiplied.
  float scale_factor() const {
    return global_scale ? kernels::load_unaligned<float>(global_scale->data) / kernels::nvfp4_global_steps : 1;
  }
};

/// Reads the mapped file where it lies.
std::unique_ptr<Matrix> make_kernel_matrix(MatrixTensors tensors);
/// Copies into MLX arrays and uses MLX's own operations: for GPUs, and for comparison on the CPU.
std::unique_ptr<Matrix> make_stock_matrix(const Runtime& runtime, const MatrixTensors& tensors);
/// One whose column i is multiplied by column `order[i]` of the input, as GPTQ stores a matrix that it went through in
/// an order of its own, so that a group's columns stand together.
std::unique_ptr<Matrix> make_permuted_matrix(const Runtime& runtime, std::unique_ptr<Matrix> matrix, ColumnOrder order);

/// A copy of a mapped tensor as an MLX array of `dtype`, with the tensor's shape. Tensors are not aligned in
/// safetensors, so MLX cannot use them in place.
mx::array to_array(const Runtime& runtime, const io::Tensor& tensor, std::optional<mx::Dtype> dtype);

}  // namespace punie::nn
