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
  std::shared_ptr<nn::KvCache> take(std::span<const std::int32_t> prompt);
  /// Keeps `cache`, which holds the first `cache->length()` of `tokens`.
  void keep(std::shared_ptr<nn::KvCache> cache, std::vector<std::int32_t> tokens);
  std::size_t bytes() const { return cache_ ? cache_->bytes() : 0; }

 private:
  std::shared_ptr<nn::KvCache> cache_;
  std::vector<std::int32_t> tokens_;
};

}  // namespace punie::engine
