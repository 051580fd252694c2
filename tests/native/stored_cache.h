#pragma once

#include "check.h"
#include "kernels/key_value_cache.h"

namespace punie::tests {

/// Random keys and values of `positions` positions; beyond them, up to the capacity, scales of NaN that nobody may
/// look at.
struct StoredCache {
  StoredCache(int64_t positions, int64_t kv_heads, int64_t head_dim, uint64_t seed) {
    const int64_t capacity = (positions + 5 + kernels::key_block) / kernels::key_block * kernels::key_block;
    const auto size = [&](int64_t of_head) { return static_cast<size_t>(kv_heads * of_head); };
    keys.assign(size(kernels::key_values(capacity, head_dim)), 12345);
    values.assign(size(kernels::value_values(capacity, head_dim)), 12345);
    key_scales.assign(size(capacity), NAN);
    value_scales.assign(size(capacity), NAN);
    view = {keys.data(), key_scales.data(), values.data(), value_scales.data(), capacity, kv_heads, head_dim};
    Random random(seed);
    for (int64_t head = 0; head < kv_heads; ++head)
      for (int64_t position = 0; position < positions; ++position) {
        const std::vector<float> key = random.floats(head_dim, -2, 2), value = random.floats(head_dim);
        kernels::store_key_value(view, head, position, key.data(), value.data());
      }
  }
  StoredCache(const StoredCache&) = delete;

  /// What is stored, as numbers.
  double key(int64_t head, int64_t position, int64_t d) const {
    const int64_t in_block = position % kernels::key_block;
    const int64_t block = head * view.capacity + position - in_block;
    return double{key_scales[static_cast<size_t>(block + in_block)]} *
           keys[static_cast<size_t>(block * view.head_dim + d * kernels::key_block + in_block)];
  }
  double value(int64_t head, int64_t position, int64_t d) const {
    const int64_t at = head * view.capacity + position;
    return double{value_scales[static_cast<size_t>(at)]} *
           values[static_cast<size_t>(at * kernels::value_stride(view.head_dim) + d)];
  }

  std::vector<int16_t> keys, values;
  std::vector<float> key_scales, value_scales;
  kernels::KeyValueCache view;
};

}  // namespace punie::tests
