#pragma once

#include <mlx/mlx.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "kernels/rounded_inputs.h"

namespace punie::nn {

namespace mx = mlx::core;

/// Columns of activations in another order.
using ColumnOrder = std::shared_ptr<const std::vector<std::int32_t>>;

/// Activations [rows, cols] of a pass that is being put together: an MLX array, or, for the kernels, float32 memory
/// that the pass's steps will have filled when the steps that come after them run.
class Tensor {
 public:
  explicit Tensor(mx::array array) : array_(std::move(array)) {}
  Tensor(std::shared_ptr<float[]> memory, std::int64_t rows, std::int64_t cols)
      : rows_(rows), cols_(cols), kernel_(std::make_shared<Kernel>(std::move(memory))) {}

  const mx::array& array() const { return *array_; }

  float* data() const { return kernel_->memory.get(); }
  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }

  /// These activations as the inputs of quantized products, once they have been rounded for one.
  struct Rounded {
    kernels::InputFormat format;
    kernels::InputLayout layout;
    std::shared_ptr<float[]> memory;
  };
  std::vector<Rounded>& rounded() const { return kernel_->rounded; }
  /// These activations with their columns in other orders, where they were needed.
  std::vector<std::pair<ColumnOrder, Tensor>>& permuted() const { return kernel_->permuted; }

 private:
  struct Kernel {
    explicit Kernel(std::shared_ptr<float[]> data) : memory(std::move(data)) {}
    std::shared_ptr<float[]> memory;
    std::vector<Rounded> rounded;
    std::vector<std::pair<ColumnOrder, Tensor>> permuted;
  };
  std::optional<mx::array> array_;
  std::int64_t rows_ = 0;
  std::int64_t cols_ = 0;
  std::shared_ptr<Kernel> kernel_;
};

}  // namespace punie::nn
