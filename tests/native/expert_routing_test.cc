#include "kernels/expert_routing.h"

#include <cmath>
#include <set>

#include "check.h"

namespace punie::tests {
namespace {

const Test choosing("the chosen experts are the largest, of equal ones the first, with their share of the softmax", [] {
  const float logits[] = {1, 3, 2, 3, -1};
  int32_t ids[3];
  float shares[3];
  kernels::choose_experts(logits, 5, 3, false, ids, shares);
  check(ids[0] == 1 && ids[1] == 3 && ids[2] == 2, "order");
  const double all = std::exp(1.0) + 2 * std::exp(3.0) + std::exp(2.0) + std::exp(-1.0);
  check(std::abs(shares[0] - std::exp(3.0) / all) < 1e-6, "share");
  kernels::choose_experts(logits, 5, 3, true, ids, shares);
  check(std::abs(shares[0] + shares[1] + shares[2] - 1) < 1e-6, "normalized");
});

const Test broken_logits("logits that are not finite choose experts that there are, and give shares that are not", [] {
  for (const float broken : {NAN, INFINITY}) {
    const float logits[] = {1, broken, 2};
    int32_t ids[2];
    float shares[2];
    kernels::choose_experts(logits, 3, 2, true, ids, shares);
    check(std::set<int32_t>(ids, ids + 2).size() == 2 && ids[0] >= 0 && ids[0] < 3 && ids[1] >= 0 && ids[1] < 3, "ids");
    check(!std::isfinite(shares[0]) || !std::isfinite(shares[1]), "shares");
  }
});

const Test arranging("rows are brought together by expert, each choice in one slot", [] {
  for (const int64_t rows : {1, 2, 57}) {
    const int64_t chosen = 3, experts = 7;
    Random random(static_cast<uint64_t>(rows));
    std::vector<int32_t> ids;
    for (int64_t row = 0; row < rows; ++row) {
      const auto first = static_cast<int32_t>(random.floats(1, 0, 6.99f)[0]);
      for (int32_t i = 0; i < chosen; ++i) ids.push_back((first + i * 2) % experts);
    }
    kernels::ExpertGroups arranged;
    arranged.arrange(ids.data(), rows, chosen, experts);
    int64_t next = 0;
    int32_t last = -1;
    for (const auto& group : arranged.groups) {
      check(group.expert > last && group.first_slot == next && group.slots > 0, "groups follow one another by id");
      last = group.expert;
      next += group.slots;
    }
    check(next == rows * chosen, "all slots");
    std::set<int32_t> slots;
    for (int64_t i = 0; i < rows * chosen; ++i) {
      const int32_t slot = arranged.slot_of[static_cast<size_t>(i)];
      slots.insert(slot);
      check(arranged.rows[static_cast<size_t>(slot)] == i / chosen, "the slot's row");
      for (const auto& group : arranged.groups)
        if (slot >= group.first_slot && slot < group.first_slot + group.slots)
          check(group.expert == ids[static_cast<size_t>(i)], "the slot's expert");
    }
    check(static_cast<int64_t>(slots.size()) == rows * chosen, "no slot twice");
  }
});

}  // namespace
}  // namespace punie::tests
