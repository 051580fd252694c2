#pragma once

#include <memory>
#include <vector>

#include "models/config.h"
#include "nn/kv_cache.h"

namespace punie::models {

namespace mx = mlx::core;

/// A language model as the engine sees it: token ids in, logits out. Used on the owner thread only.
class Model {
 public:
  virtual ~Model() = default;

  /// One forward pass. `tokens` [rows] of int32 are the rows of `batch`; their keys and values are added to its
  /// caches, whose lengths the caller advances once this is evaluated. Returns hidden states [rows, hidden].
  virtual mx::array forward(const mx::array& tokens, const nn::Batch& batch) const = 0;
  /// Final norm and output head: hidden states [n, hidden] to logits [n, vocabulary].
  virtual mx::array logits(const mx::array& hidden) const = 0;

  virtual std::shared_ptr<nn::KvCache> make_cache() const = 0;
  virtual const ModelConfig& config() const = 0;
};

}  // namespace punie::models
