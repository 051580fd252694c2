#include "nn/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace punie::nn {

namespace {

/// Positions a cache grows by, at least.
constexpr std::int64_t kStep = 256;

std::int64_t whole_steps(std::int64_t positions) {
  return positions / kStep * kStep + (positions % kStep != 0 ? kStep : 0);
}

}  // namespace

std::int64_t KvCache::grown(std::int64_t capacity, std::int64_t positions) const {
  if (positions <= capacity) return capacity;
  const auto ahead = std::min(capacity + capacity / 4, most_positions_);
  return whole_steps(std::max(positions, ahead));
}

void KernelLayerCache::reserve(std::int64_t capacity, std::int64_t used) {
  if (capacity <= capacity_) return;
  // `of_head(capacity)`: values of a head. What is in use of it, whole blocks of keys, comes first.
  const auto blocks = kernels::padded_keys(used);
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

std::size_t KernelLayerCache::bytes(std::int64_t capacity, std::int64_t kv_heads, std::int64_t head_dim) {
  const auto values = kernels::key_values(capacity, head_dim) + kernels::value_values(capacity, head_dim);
  return static_cast<std::size_t>(kv_heads * values) * sizeof(std::int16_t) +
         static_cast<std::size_t>(kv_heads * capacity) * 2 * sizeof(float);
}

KvCache::KvCache(const Runtime& runtime, const std::vector<LayerCacheShape>& layers)
    : shapes_(layers),
      use_kernels_(runtime.use_kernels),
      stock_element_bytes_(static_cast<std::size_t>(mx::size_of(runtime.compute_dtype))) {
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

std::size_t KvCache::bytes_for(std::int64_t positions) const {
  const auto capacity = whole_steps(positions);
  std::size_t bytes = 0;
  for (const auto& shape : shapes_) {
    if (const auto* state = std::get_if<RecurrentCacheShape>(&shape)) {
      bytes += static_cast<std::size_t>(2 * (state->inputs + state->state)) * sizeof(float);
      continue;
    }
    const auto [kv_heads, head_dim] = std::get<AttentionCacheShape>(shape);
    bytes += use_kernels_ ? KernelLayerCache::bytes(capacity, kv_heads, head_dim)
                          : static_cast<std::size_t>(2 * capacity * kv_heads * head_dim) * stock_element_bytes_;
  }
  return bytes;
}

std::size_t KvCache::bytes() const {
  std::size_t bytes = 0;
  for (const auto& layer : layers_) bytes += std::visit([](const auto& cache) { return cache.bytes(); }, layer);
  return bytes;
}

}  // namespace punie::nn
