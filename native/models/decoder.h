#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "models/model.h"
#include "nn/attention.h"
#include "nn/linear.h"
#include "nn/mlp.h"
#include "nn/rms_norm.h"
#include "nn/sparse_moe.h"
#include "nn/weights.h"

namespace punie::models {

/// What tells the families of this decoder apart.
struct DecoderTraits {
  /// Which linear layers have a bias.
  bool qkv_bias = false;
  bool o_bias = false;
  bool mlp_bias = false;
  /// Norms of each head's queries and keys.
  bool qk_norm = false;
};

/// One block: x + attention(norm(x)), then that plus mlp(norm(that)).
struct DecoderLayer {
  nn::RmsNorm input_layernorm;
  nn::Attention self_attn;
  nn::RmsNorm post_attention_layernorm;
  std::variant<nn::Mlp, nn::SparseMoe> mlp;

  nn::Tensor operator()(nn::Pass& pass, const nn::Rope& rope, const nn::Tensor& x, std::int64_t layer) const;
};

/// The pre-norm decoder that the families share: rotary grouped-query attention, SwiGLU or experts of it, RMS norm.
class Decoder : public Model {
 public:
  Decoder(const ModelConfig& config, const DecoderTraits& traits, nn::Weights& weights);

  nn::Tensor forward(nn::Pass& pass, std::vector<std::int32_t> tokens) const override;
  nn::Tensor logits(nn::Pass& pass, const nn::Tensor& hidden) const override;
  std::shared_ptr<nn::KvCache> make_cache() const override;
  const ModelConfig& config() const override { return config_; }

 private:
  ModelConfig config_;
  const nn::Runtime& runtime_;
  nn::Rope rope_;
  nn::Embedding embed_tokens_;
  std::vector<DecoderLayer> layers_;
  nn::RmsNorm norm_;
  /// Absent when the embedding is the head too.
  std::optional<nn::Linear> lm_head_;
};

}  // namespace punie::models
