#include "nn/matrix.h"

namespace punie::nn {

namespace {

class PermutedMatrix : public Matrix {
 public:
  PermutedMatrix(const Runtime& runtime, std::unique_ptr<Matrix> inner, ColumnOrder order)
      : runtime_(runtime), inner_(std::move(inner)), order_(std::move(order)) {}

  std::int64_t out_features() const override { return inner_->out_features(); }

  Tensor rows(Pass& pass, TokenIds ids) const override {
    const auto stored = inner_->rows(pass, std::move(ids));
    std::vector<std::int32_t> places(order_->size());
    for (std::size_t i = 0; i < places.size(); ++i) places[(*order_)[i]] = static_cast<std::int32_t>(i);
    if (pass.kernels()) return pass.columns_of(stored, std::make_shared<const std::vector<std::int32_t>>(places));
    const mx::array columns(places.begin(), {static_cast<int>(places.size())});
    return Tensor(mx::take(stored.array(), columns, -1, runtime_.stream));
  }

  mx::array multiply(const mx::array& x, const std::optional<mx::array>& bias) const override {
    const mx::array columns(order_->begin(), {static_cast<int>(order_->size())});
    return inner_->multiply(mx::take(x, columns, -1, runtime_.stream), bias);
  }

  Product product(Pass& pass, const Tensor& x, const float* bias, float* y) const override {
    return inner_->product(pass, pass.columns_of(x, order_), bias, y);
  }

 private:
  const Runtime& runtime_;
  std::unique_ptr<Matrix> inner_;
  ColumnOrder order_;
};

}  // namespace

std::unique_ptr<Matrix> make_permuted_matrix(const Runtime& runtime, std::unique_ptr<Matrix> matrix,
                                             ColumnOrder order) {
  return std::make_unique<PermutedMatrix>(runtime, std::move(matrix), std::move(order));
}

}  // namespace punie::nn
