#pragma once

#include <memory>
#include <vector>

#include "nn/matrix.h"

namespace punie::nn {

/// The matrices [rows, cols] of a layer's experts, of which a token needs a few. Only those are read.
class ExpertMatrices {
 public:
  virtual ~ExpertMatrices() = default;
  /// Where an adapter has what it adds to them.
  int slot = -1;
  virtual std::int64_t out_features() const = 0;
  virtual std::int64_t in_features() const = 0;

  /// With MLX's operations: x [n, k or 1, 1, cols] times the transposes of the experts `ids` [n, k]: [n, k, 1, rows].
  virtual mx::array multiply(const mx::array& x, const mx::array& ids) const;

  // With the kernels; which rows go to which expert is known only when the pass runs.

  /// For n rows `prepare` fills at most n + 2 times as many floats.
  virtual std::int64_t prepared_floats() const;
  /// What is prepared for one serves the other.
  virtual bool prepares_like(const ExpertMatrices& other) const;
  /// Makes of x[n, cols] what `multiply_columns` needs of it beside.
  virtual void prepare(const float* x, std::int64_t n, float* prepared) const;
  /// y[n, rows]'s columns [begin, end), where `begin` is a multiple of kernels::panel_rows, of x times the transpose
  /// of one expert's matrix.
  virtual void multiply_columns(std::int32_t expert, const float* x, const float* prepared, std::int64_t n, float* y,
                                std::int64_t begin, std::int64_t end) const;
};

/// Tensors of one expert each, all alike.
std::unique_ptr<ExpertMatrices> make_kernel_experts(std::vector<MatrixTensors> experts);
std::unique_ptr<ExpertMatrices> make_stock_experts(const Runtime& runtime, const std::vector<MatrixTensors>& experts);

}  // namespace punie::nn
