#include "nn/expert_matrices.h"
#include "nn/kernel_views.h"

namespace punie::nn {

namespace {

class QuantizedKernelExperts : public ExpertMatrices {
 public:
  explicit QuantizedKernelExperts(std::vector<MatrixTensors> experts) : experts_(std::move(experts)) {
    for (const auto& expert : experts_) views_.push_back(quantized_view(expert));
    format_ = kernels::input_format(views_[0]);
  }

  std::int64_t out_features() const override { return views_[0].rows; }
  std::int64_t in_features() const override { return views_[0].cols; }

  std::int64_t prepared_floats() const override { return kernels::most_input_floats(format_); }

  bool prepares_like(const ExpertMatrices& other) const override {
    const auto* quantized = dynamic_cast<const QuantizedKernelExperts*>(&other);
    return quantized != nullptr && quantized->format_ == format_;
  }

  void prepare(const float* x, std::int64_t n, float* prepared) const override {
    const auto layout = kernels::input_layout(format_, n);
    for (std::int64_t block = 0; block < layout.blocks(); ++block) {
      kernels::round_block(format_, layout, x, block, prepared);
    }
  }

  void multiply_columns(std::int32_t expert, const float*, const float* prepared, std::int64_t n, float* y,
                        std::int64_t begin, std::int64_t end) const override {
    const auto& view = views_[static_cast<std::size_t>(expert)];
    kernels::multiply_rounded(view, kernels::input_layout(format_, n), prepared, nullptr, y, begin, end);
  }

 private:
  /// They keep their file mapped.
  std::vector<MatrixTensors> experts_;
  std::vector<kernels::QuantizedMatrix> views_;
  kernels::InputFormat format_{};
};

class FloatKernelExperts : public ExpertMatrices {
 public:
  explicit FloatKernelExperts(std::vector<MatrixTensors> experts) : experts_(std::move(experts)) {
    for (const auto& expert : experts_) views_.push_back(float_view(expert));
  }

  std::int64_t out_features() const override { return views_[0].rows; }
  std::int64_t in_features() const override { return views_[0].cols; }
  std::int64_t prepared_floats() const override { return 0; }
  bool prepares_like(const ExpertMatrices& other) const override { return other.prepared_floats() == 0; }
  void prepare(const float*, std::int64_t, float*) const override {}

  void multiply_columns(std::int32_t expert, const float* x, const float*, std::int64_t n, float* y, std::int64_t begin,
                        std::int64_t end) const override {
    kernels::multiply_float_rows(views_[static_cast<std::size_t>(expert)], x, n, nullptr, y, begin, end);
  }

 private:
  std::vector<MatrixTensors> experts_;
  std::vector<kernels::FloatMatrix> views_;
};

}  // namespace

std::unique_ptr<ExpertMatrices> make_kernel_experts(std::vector<MatrixTensors> experts) {
  if (experts[0].scales) return std::make_unique<QuantizedKernelExperts>(std::move(experts));
  return std::make_unique<FloatKernelExperts>(std::move(experts));
}

}  // namespace punie::nn
