#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "kernels/key_value_cache.h"
#include "nn/recurrent_cache.h"
#include "nn/runtime.h"

namespace punie::nn {

/// One layer's keys and values of one sequence for the kernels.
class KernelLayerCache {
 public:
  KernelLayerCache(std::int64_t kv_heads, std::int64_t head_dim) : kv_heads_(kv_heads), head_dim_(head_dim) {}

  std::int64_t capacity() const { return capacity_; }
  /// Makes room for `capacity` positions in all, whole blocks of keys, keeping the first `used`.
  void reserve(std::int64_t capacity, std::int64_t used);
  kernels::KeyValueCache view() const {
    return {keys_.get(), key_scales_.get(), values_.get(), value_scales_.get(), capacity_, kv_heads_, head_dim_};
  }
  std::size_t bytes() const { return bytes(capacity_, kv_heads_, head_dim_); }
  /// Of a layer with room for `capacity` positions.
  static std::size_t bytes(std::int64_t capacity, std::int64_t kv_heads, std::int64_t head_dim);

 private:
  std::int64_t kv_heads_;
  std::int64_t head_dim_;
  std::int64_t capacity_ = 0;
  std::unique_ptr<std::int16_t[]> keys_;
  std::unique_ptr<float[]> key_scales_;
  std::unique_ptr<std::int16_t[]> values_;
  std::unique_ptr<float[]> value_scales_;
};

/// The same for MLX's own operations: arrays [1, kv_heads, capacity, head_dim], absent before the first use.
struct StockLayerCache {
  std::optional<mx::array> keys;
  std::optional<mx::array> values;

  std::size_t bytes() const { return keys ? keys->nbytes() + values->nbytes() : 0; }
};

/// What a layer remembers of a sequence: keys and values of every position, or a state of one size.
struct AttentionCacheShape {
  std::int64_t kv_heads;
  std::int64_t head_dim;
};
using LayerCacheShape = std::variant<AttentionCacheShape, RecurrentCacheShape>;

/// What the layers remember of one sequence. Keys and values grow in steps, so that a short chat stays small and a
/// long one is not copied at every token. Used by the owner thread, and by the threads that run a pass's steps for it.
class KvCache {
 public:
  KvCache(const Runtime& runtime, const std::vector<LayerCacheShape>& layers);

  /// Positions filled, the same in every layer between two forward passes.
  std::int64_t length() const { return length_; }
  /// A pass over the next `positions` has run: what it wrote counts.
  void advance(std::int64_t positions);
  /// Whether all positions from `length` on can be forgotten: a state knows only where it stands.
  bool can_truncate(std::int64_t length) const { return length >= length_ || !recurrent_; }
  /// Forgets them; what is before can be reused by a prompt that begins alike.
  void truncate(std::int64_t length) { length_ = length < length_ ? length : length_; }
  std::size_t bytes() const;
  /// Bytes that room for `positions` takes.
  std::size_t bytes_for(std::int64_t positions) const;
  /// Says that no more positions than this will be filled: room for more is not made ahead.
  void expect_at_most(std::int64_t positions) { most_positions_ = positions; }

  KernelLayerCache& kernel_layer(std::int64_t layer) { return std::get<KernelLayerCache>(layers_[layer]); }
  StockLayerCache& stock_layer(std::int64_t layer) { return std::get<StockLayerCache>(layers_[layer]); }
  KernelRecurrentCache& kernel_state(std::int64_t layer) { return std::get<KernelRecurrentCache>(layers_[layer]); }
  StockRecurrentCache& stock_state(std::int64_t layer) { return std::get<StockRecurrentCache>(layers_[layer]); }

  /// The capacity to allocate for `positions`: whole steps, and a quarter more than there was, if so many are expected.
  std::int64_t grown(std::int64_t capacity, std::int64_t positions) const;

 private:
  using Layer = std::variant<KernelLayerCache, StockLayerCache, KernelRecurrentCache, StockRecurrentCache>;

  const std::vector<LayerCacheShape> shapes_;
  const bool use_kernels_;
  /// Of an element of MLX's arrays.
  const std::size_t stock_element_bytes_;
  std::int64_t length_ = 0;
  std::int64_t most_positions_ = std::numeric_limits<std::int64_t>::max();
  bool recurrent_ = false;
  std::vector<Layer> layers_;
};

/// Some rows of a forward pass that belong to one sequence: `count` tokens at positions `cache->length()` and on.
struct Segment {
  std::shared_ptr<KvCache> cache;
  std::int64_t count;
};

/// The rows of one forward pass: sequences one after another. Linear layers see all rows at once, so the weights are
/// read once for all; attention goes sequence by sequence.
struct Batch {
  std::vector<Segment> segments;
};

}  // namespace punie::nn
