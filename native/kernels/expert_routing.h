#pragma once

#include <cstdint>
#include <vector>

namespace punie::kernels {

/// The `chosen` largest of softmax(logits[experts]), largest first, of equal ones the lowest id: their ids and shares,
/// which if `normalize` sum up to 1. `chosen` is at most `experts`. Logits that are not finite give shares that are
/// not, and ids of experts that there are.
void choose_experts(const float* logits, int64_t experts, int64_t chosen, bool normalize, int32_t* ids, float* shares);

/// Rows brought together by the expert that they were sent to: each (row, choice) has a slot, and the slots of an
/// expert lie side by side.
struct ExpertGroups {
  struct Group {
    int32_t expert;
    int64_t first_slot;
    int64_t slots;
  };

  /// Those that have a row, by id.
  std::vector<Group> groups;
  /// The row of each slot.
  std::vector<int32_t> rows;
  /// The slot of each choice: [row][choice].
  std::vector<int32_t> slot_of;

  /// From ids[rows * chosen], each below `experts`.
  void arrange(const int32_t* ids, int64_t row_count, int64_t chosen, int64_t experts);
};

}  // namespace punie::kernels
