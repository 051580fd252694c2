#include "engine/prefix_cache.h"

#include <algorithm>

namespace punie::engine {

namespace {

/// A shorter match is dropped, so that an unrelated prompt does not evict a long conversation's cache for nothing.
constexpr std::ptrdiff_t kLeastMatch = 8;

}  // namespace

std::shared_ptr<nn::KvCache> PrefixCache::take(std::span<const std::int32_t> prompt, std::int64_t adapter) {
  if (!cache_ || adapter != adapter_) return nullptr;
  const auto [mismatch, end] = std::ranges::mismatch(tokens_, prompt);
  const auto common = std::min(mismatch - tokens_.begin(), static_cast<std::ptrdiff_t>(prompt.size()) - 1);
  if (common < kLeastMatch) return nullptr;
  if (!cache_->can_truncate(common)) return nullptr;
  cache_->truncate(common);
  tokens_.clear();
  return std::move(cache_);
}

void PrefixCache::keep(std::shared_ptr<nn::KvCache> cache, std::vector<std::int32_t> tokens, std::int64_t adapter) {
  tokens.resize(static_cast<std::size_t>(cache->length()));
  cache_ = std::move(cache);
  tokens_ = std::move(tokens);
  adapter_ = adapter;
}

}  // namespace punie::engine
