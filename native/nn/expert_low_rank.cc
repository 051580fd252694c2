#include "nn/expert_low_rank.h"

namespace punie::nn {

ExpertLowRank::ExpertLowRank(const Runtime& runtime, std::vector<LowRank::Values> experts)
    : runtime_(runtime), experts_(std::move(experts)) {
  for (const auto& expert : experts_) expert.check_finite();
  if (runtime.use_kernels) return;
  const auto& s = runtime.stream;
  std::vector<mx::array> a, b;
  for (const auto& expert : experts_) {
    a.push_back(mx::transpose(expert.array_a(), s));
    b.push_back(expert.array_b());
  }
  const auto stacked = [&](const std::vector<mx::array>& arrays) {
    return mx::contiguous(mx::astype(mx::stack(arrays, 0, s), runtime.compute_dtype, s), false, s);
  };
  a_ = stacked(a);
  b_ = stacked(b);
  mx::eval(*a_, *b_);
}

void ExpertLowRank::add(std::int32_t expert, const float* x, float* y, std::int64_t rows) const {
  experts_[static_cast<std::size_t>(expert)].add(x, y, rows);
}

mx::array ExpertLowRank::add(const mx::array& x, const mx::array& ids, const mx::array& y) const {
  const auto& s = runtime_.stream;
  const auto inner = mx::gather_mm(x, *a_, std::nullopt, ids, false, s);
  return mx::add(y, mx::gather_mm(inner, *b_, std::nullopt, ids, false, s), s);
}

}  // namespace punie::nn
