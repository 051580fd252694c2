#pragma once

#include <cstdint>

namespace punie::kernels {

/// A layer's cached keys and values in 16 bits: each key and value of a head is rounded to integers of at most 32767
/// in magnitude with a scale of its own, an error of at most 1/65534 of its largest element. Half of float32's memory,
/// which is what attention over a long context waits for, and finer than f16 where a few elements are large.
///
/// Keys stand in blocks of `key_block` positions, an element of all of them side by side, so that a vector holds
/// positions; values stand position by position, so that a vector holds elements.
struct KeyValueCache {
  int16_t* keys;        // [kv_heads][capacity / key_block][head_dim][key_block]
  float* key_scales;    // [kv_heads][capacity]
  int16_t* values;      // [kv_heads][capacity][value_stride(head_dim)], padded with zeros
  float* value_scales;  // [kv_heads][capacity]
  int64_t capacity;     // a multiple of key_block
  int64_t kv_heads;
  int64_t head_dim;
};

inline constexpr int64_t key_block = 16;
/// Up to whole blocks.
inline constexpr int64_t padded_keys(int64_t positions) { return (positions + key_block - 1) / key_block * key_block; }
inline constexpr int64_t value_block = 16;
inline constexpr int64_t value_stride(int64_t head_dim) {
  return (head_dim + value_block - 1) / value_block * value_block;
}

/// 16-bit values of `keys` and of `values` for one head.
inline constexpr int64_t key_values(int64_t capacity, int64_t head_dim) { return capacity * head_dim; }
inline constexpr int64_t value_values(int64_t capacity, int64_t head_dim) { return capacity * value_stride(head_dim); }

/// Rounds key[head_dim] and value[head_dim] into the cache. What is not finite gives a scale that is not.
void store_key_value(const KeyValueCache& cache, int64_t head, int64_t position, const float* key, const float* value);

}  // namespace punie::kernels
