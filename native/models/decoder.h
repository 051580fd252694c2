#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "models/model.h"
#include "nn/attention.h"
#include "nn/gated_delta_net.h"
#include "nn/linear.h"
#include "nn/mlp.h"
#include "nn/rms_norm.h"
#include "nn/sparse_moe.h"
#include "nn/weights.h"

namespace punie::models {

/// What the names of a decoder's blocks begin with: of a text model, and of one beside a vision part as MLX and as
/// Hugging Face publish it.
inline constexpr std::string_view kRoots[] = {"model", "language_model.model", "model.language_model"};

/// What tells the families of this decoder apart.
struct DecoderTraits {
  /// Which linear layers have a bias.
  bool qkv_bias = false;
  bool o_bias = false;
  bool mlp_bias = false;
  /// Norms of each head's queries and keys.
  bool qk_norm = false;
  /// Attention's output is gated by its input.
  bool gated_attention = false;
  /// The inputs of linear attention come from two layers that are grouped by head, not from one for each.
  bool fused_delta_inputs = false;
  /// One of kRoots.
  std::string root = "model";
  /// Name of the output layer.
  std::string head = "lm_head";
  /// Norms are stored as what is to be added to 1.
  bool norms_around_zero = false;
};

/// Whether a checkpoint with linear attention is as Hugging Face publishes it: there the weights of the norms are what
/// is to be added to 1, and those of convolutions lie as PyTorch has them, which is what tells.
bool is_unconverted(const ModelConfig& config, const std::string& root, const nn::Weights& weights);

/// One block: x + attention(norm(x)), then that plus mlp(norm(that)).
struct DecoderLayer {
  nn::RmsNorm input_layernorm;
  std::variant<nn::Attention, nn::GatedDeltaNet> attention;
  nn::RmsNorm post_attention_layernorm;
  std::variant<nn::Mlp, nn::SparseMoe> mlp;

  nn::Tensor operator()(nn::Pass& pass, const nn::Rope& rope, const nn::Tensor& x, std::int64_t layer) const;
};

/// The pre-norm decoder that the families share: rotary grouped-query attention or a gated delta net, SwiGLU or experts
/// of it, RMS norm.
class Decoder : public Model {
 public:
  Decoder(const ModelConfig& config, const DecoderTraits& traits, nn::Weights& weights);

  nn::Tensor forward(nn::Pass& pass, nn::TokenIds tokens) const override;
  nn::Tensor final_norm(nn::Pass& pass, const nn::Tensor& hidden) const override;
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
