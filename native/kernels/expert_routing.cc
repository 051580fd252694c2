#include "expert_routing.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace punie::kernels {

void choose_experts(const float* logits, int64_t experts, int64_t chosen, bool normalize, int32_t* ids, float* shares) {
  std::vector<int32_t> order(static_cast<size_t>(experts));
  std::iota(order.begin(), order.end(), 0);
  // NaN, which compares with nothing, would leave the order without a meaning: it counts as the smallest.
  const auto value = [&](int32_t id) { return std::isnan(logits[id]) ? -INFINITY : logits[id]; };
  std::partial_sort(order.begin(), order.begin() + chosen, order.end(),
                    [&](int32_t a, int32_t b) { return value(a) > value(b) || (value(a) == value(b) && a < b); });
  const float largest = *std::max_element(logits, logits + experts);
  float all = 0, best = 0;
  for (int64_t i = 0; i < experts; ++i) all += std::exp(logits[i] - largest);
  for (int64_t i = 0; i < chosen; ++i) {
    ids[i] = order[static_cast<size_t>(i)];
    best += shares[i] = std::exp(logits[ids[i]] - largest) / all;
  }
  if (!normalize) return;
  for (int64_t i = 0; i < chosen; ++i) shares[i] /= best;
}

void ExpertGroups::arrange(const int32_t* ids, int64_t row_count, int64_t chosen, int64_t experts) {
  std::vector<int64_t> next(static_cast<size_t>(experts) + 1);
  const int64_t slots = row_count * chosen;
  for (int64_t i = 0; i < slots; ++i) ++next[static_cast<size_t>(ids[i]) + 1];
  groups.clear();
  for (size_t expert = 0; expert < static_cast<size_t>(experts); ++expert) {
    const int64_t count = next[expert + 1];
    if (count > 0) groups.push_back({static_cast<int32_t>(expert), next[expert], count});
    next[expert + 1] += next[expert];
  }
  rows.resize(static_cast<size_t>(slots));
  slot_of.resize(static_cast<size_t>(slots));
  for (int64_t i = 0; i < slots; ++i) {
    const int64_t slot = next[static_cast<size_t>(ids[i])]++;
    rows[static_cast<size_t>(slot)] = static_cast<int32_t>(i / chosen);
    slot_of[static_cast<size_t>(i)] = static_cast<int32_t>(slot);
  }
}

}  // namespace punie::kernels
