#include "nn/kv_cache.h"

#include <algorithm>
#include <cstring>

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
  const auto size = static_cast<std::size_t>(kv_heads_ * capacity * head_dim_);
  auto keys = std::make_unique_for_overwrite<float[]>(size);
  auto values = std::make_unique_for_overwrite<float[]>(size);
  for (std::int64_t head = 0; head < kv_heads_ && used > 0; ++head) {
    const auto bytes = sizeof(float) * static_cast<std::size_t>(used * head_dim_);
    std::memcpy(keys.get() + head * capacity * head_dim_, key(head, 0), bytes);
    std::memcpy(values.get() + head * capacity * head_dim_, value(head, 0), bytes);
  }
  keys_ = std::move(keys);
  values_ = std::move(values);
  capacity_ = capacity;
}

KvCache::KvCache(const Runtime& runtime, std::int64_t layers, std::int64_t kv_heads, std::int64_t head_dim) {
  if (runtime.use_kernels) {
    kernel_layers_.reserve(layers);
    for (std::int64_t i = 0; i < layers; ++i) kernel_layers_.emplace_back(kv_heads, head_dim);
  } else {
    stock_layers_.resize(layers);
  }
}

std::size_t KvCache::bytes() const {
  std::size_t bytes = 0;
  for (const auto& layer : kernel_layers_) bytes += layer.bytes();
  for (const auto& layer : stock_layers_) {
    if (layer.keys) bytes += layer.keys->nbytes() + layer.values->nbytes();
  }
  return bytes;
}

}  // namespace punie::nn
