#pragma once

#include <memory>

#include "models/config.h"
#include "nn/kv_cache.h"
#include "nn/pass.h"
#include "nn/token_ids.h"

namespace punie::models {

/// A language model as the engine sees it: token ids in, logits out. Used on the owner thread only.
class Model {
 public:
  virtual ~Model() = default;

  /// One forward pass. `tokens` are its rows; their keys and values are added to its caches, whose lengths the caller
  /// advances once it has run. Returns hidden states [rows, hidden].
  virtual nn::Tensor forward(nn::Pass& pass, nn::TokenIds tokens) const = 0;
  /// The final norm: hidden states [n, hidden] to what the head reads, and what embeddings are made of.
  virtual nn::Tensor final_norm(nn::Pass& pass, const nn::Tensor& hidden) const = 0;
  /// Final norm and output head: hidden states [n, hidden] to logits [n, vocabulary].
  virtual nn::Tensor logits(nn::Pass& pass, const nn::Tensor& hidden) const = 0;

  virtual std::shared_ptr<nn::KvCache> make_cache() const = 0;
  virtual const ModelConfig& config() const = 0;
};

}  // namespace punie::models
