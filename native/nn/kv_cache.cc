#include "nn/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace punie::nn {

namespace {

/// Positions a cache grows by, at least.
constexpr std::int64_t kStep = 256;

}  // namespace

std::int64_t KvCache::grown(std::int64_t capacity, std::int64_t positions) {
  if (positions <= capacity) return capacity;
  const auto wanted = std::max(positions, capacity + capacity / 4);
  return (wanted + kStep - 1) / kStep * kStep;
}

void KernelLayerCache::reserve(std::int64_t positions, std::int64_t used) {
  const auto capacity = KvCache::grown(capacity_, positions);
  if (capacity == capacity_) return;
  // `of_head(capacity)`: values of a head. What is in use of it, whole blocks of keys, comes first.
  const auto blocks = (used + kernels::key_block - 1) / kernels::key_block * kernels::key_block;
  const auto grow = [&](auto& memory, const auto& of_head) {
    using Value = std::remove_reference_t<decltype(memory[0])>;
    auto grown = std::make_unique_for_overwrite<Value[]>(static_cast<std::size_t>(kv_heads_ * of_head(capacity)));
    for (std::int64_t head = 0; head < kv_heads_ && used > 0; ++head) {
      std::memcpy(grown.get() + head * of_head(capacity), memory.get() + head * of_head(capacity_),
                  sizeof(Value) * static_cast<std::size_t>(of_head(blocks)));
    }
    memory = std::move(grown);
  };
  const auto scales = [](std::int64_t count) { return count; };
  grow(keys_, [&](std::int64_t count) { return kernels::key_values(count, head_dim_); });
  grow(values_, [&](std::int64_t count) { return kernels::value_values(count, head_dim_); });
  grow(key_scales_, scales);
  grow(value_scales_, scales);
  capacity_ = capacity;
}

std::size_t KernelLayerCache::bytes() const {
  const auto values = kernels::key_values(capacity_, head_dim_) + kernels::value_values(capacity_, head_dim_);
  return static_cast<std::size_t>(kv_heads_ * values) * sizeof(std::int16_t) +
         static_cast<std::size_t>(kv_heads_ * capacity_) * 2 * sizeof(float);
}

KvCache::KvCache(const Runtime& runtime, const std::vector<LayerCacheShape>& layers) {
  layers_.reserve(layers.size());
  for (const auto& shape : layers) {
    if (const auto* attention = std::get_if<AttentionCacheShape>(&shape)) {
      if (runtime.use_kernels) {
        layers_.emplace_back(KernelLayerCache(attention->kv_heads, attention->head_dim));
      } else {
        layers_.emplace_back(StockLayerCache());
      }
    } else {
      recurrent_ = true;
      if (runtime.use_kernels) {
        layers_.emplace_back(KernelRecurrentCache(std::get<RecurrentCacheShape>(shape)));
      } else {
        layers_.emplace_back(StockRecurrentCache());
      }
    }
  }
}

void KvCache::advance(std::int64_t positions) {
  length_ += positions;
  for (auto& layer : layers_) {
    if (auto* state = std::get_if<KernelRecurrentCache>(&layer)) state->advance();
    if (auto* state = std::get_if<StockRecurrentCache>(&layer)) state->advance();
  }
}

std::size_t KvCache::bytes() const {
  std::size_t bytes = 0;
  for (const auto& layer : layers_) bytes += std::visit([](const auto& cache) { return cache.bytes(); }, layer);
  return bytes;
}

}  // namespace punie::nn
