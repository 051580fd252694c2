#pragma once

#include <memory>
#include <span>
#include <vector>

#include "nn/kv_cache.h"

namespace punie::engine {

/// Keeps the KV cache of the sequence that ended last, so that the next turn of a conversation computes only what is
/// new. What it gives back is bit for bit what computing anew would give: rows do not depend on chunks or neighbours.
class PrefixCache {
 public:
  /// A cache that holds the longest common beginning of `prompt` and the kept tokens, at least one token short of the
  /// prompt, or nullptr when too little is common to be worth it.
  std::shared_ptr<nn::KvCache> take(std::span<const std::int32_t> prompt, std::int64_t adapter);
  /// Keeps `cache`, which holds the first `cache->length()` of `tokens` as computed with this adapter (0: none).
  void keep(std::shared_ptr<nn::KvCache> cache, std::vector<std::int32_t> tokens, std::int64_t adapter);
  void drop() { cache_ = nullptr; }
  std::size_t bytes() const { return cache_ ? cache_->bytes() : 0; }

 private:
  std::shared_ptr<nn::KvCache> cache_;
  std::vector<std::int32_t> tokens_;
  std::int64_t adapter_ = 0;
};

}  // namespace punie::engine
