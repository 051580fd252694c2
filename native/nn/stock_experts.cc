#include <algorithm>

#include "nn/expert_matrices.h"

namespace punie::nn {

namespace {

/// The experts' tensors, one upon another: [experts, ...].
template <typename Pick>
mx::array stacked(const Runtime& runtime, const std::vector<MatrixTensors>& experts, Pick pick,
                  std::optional<mx::Dtype> dtype) {
  std::vector<mx::array> arrays;
  for (const auto& expert : experts) arrays.push_back(to_array(runtime, pick(expert), dtype));
  auto all = mx::stack(arrays, 0, runtime.stream);
  all.eval();
  return all;
}

class QuantizedStockExperts : public ExpertMatrices {
 public:
  QuantizedStockExperts(const Runtime& runtime, const std::vector<MatrixTensors>& experts)
      : runtime_(runtime),
        in_features_(experts[0].cols),
        quantization_(experts[0].quantization),
        weight_(stacked(
            runtime, experts, [](const auto& expert) { return expert.weight; }, std::nullopt)),
        scales_(stacked(
            runtime, experts, [](const auto& expert) { return *expert.scales; },
            quantization_.affine() ? std::optional(runtime.compute_dtype) : std::nullopt)) {
    if (quantization_.affine()) {
      biases_ = stacked(runtime, experts, [](const auto& expert) { return *expert.biases; }, runtime.compute_dtype);
    }
    std::vector<float> factors;
    for (const auto& expert : experts) factors.push_back(expert.scale_factor());
    if (std::ranges::all_of(factors, [](float factor) { return factor == 1; })) return;
    const mx::array each(factors.begin(), {static_cast<int>(factors.size()), 1, 1});
    scale_factors_ = mx::astype(each, runtime.compute_dtype, runtime.stream);
    scale_factors_->eval();
  }

  std::int64_t out_features() const override { return weight_.shape(1); }
  std::int64_t in_features() const override { return in_features_; }

  mx::array multiply(const mx::array& x, const mx::array& ids) const override {
    const auto y =
        mx::gather_qmm(x, weight_, scales_, biases_, std::nullopt, ids, true, quantization_.group_size,
                       quantization_.bits, name_of(quantization_.mode), std::nullopt, false, runtime_.stream);
    if (!scale_factors_) return y;
    return mx::multiply(y, mx::take(*scale_factors_, ids, 0, runtime_.stream), runtime_.stream);
  }

 private:
  const Runtime& runtime_;
  std::int64_t in_features_;
  Quantization quantization_;
  mx::array weight_;
  mx::array scales_;
  std::optional<mx::array> biases_;
  /// [experts, 1, 1]: those of nvfp4's global scales.
  std::optional<mx::array> scale_factors_;
};

class FloatStockExperts : public ExpertMatrices {
 public:
  FloatStockExperts(const Runtime& runtime, const std::vector<MatrixTensors>& experts)
      : runtime_(runtime),
        in_features_(experts[0].cols),
        weight_(stacked(runtime, experts, [](const auto& expert) { return expert.weight; }, runtime.compute_dtype)) {}

  std::int64_t out_features() const override { return weight_.shape(1); }
  std::int64_t in_features() const override { return in_features_; }

  mx::array multiply(const mx::array& x, const mx::array& ids) const override {
    const auto transposed = mx::swapaxes(weight_, -1, -2, runtime_.stream);
    return mx::gather_mm(x, transposed, std::nullopt, ids, false, runtime_.stream);
  }

 private:
  const Runtime& runtime_;
  std::int64_t in_features_;
  mx::array weight_;
};

}  // namespace

std::unique_ptr<ExpertMatrices> make_stock_experts(const Runtime& runtime, const std::vector<MatrixTensors>& experts) {
  if (experts[0].scales) return std::make_unique<QuantizedStockExperts>(runtime, experts);
  return std::make_unique<FloatStockExperts>(runtime, experts);
}

}  // namespace punie::nn
