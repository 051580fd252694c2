#include "models/decoder.h"

namespace punie::models {

namespace {

nn::Attention load_attention(const ModelConfig& config, const DecoderBiases& biases, nn::Weights& weights,
                             const std::string& path) {
  const auto hidden = config.hidden_size;
  const auto q_size = config.num_attention_heads * config.head_dim;
  const auto kv_size = config.num_key_value_heads * config.head_dim;
  return {.heads = config.num_attention_heads,
          .kv_heads = config.num_key_value_heads,
          .head_dim = config.head_dim,
          .q_proj = weights.linear(path + ".q_proj", q_size, hidden, biases.qkv),
          .k_proj = weights.linear(path + ".k_proj", kv_size, hidden, biases.qkv),
          .v_proj = weights.linear(path + ".v_proj", kv_size, hidden, biases.qkv),
          .o_proj = weights.linear(path + ".o_proj", hidden, q_size, biases.o)};
}

DecoderLayer load_layer(const ModelConfig& config, const DecoderBiases& biases, nn::Weights& weights,
                        const std::string& path) {
  const auto hidden = config.hidden_size;
  const auto inner = config.intermediate_size;
  const auto norm = [&](const std::string& name) {
    return nn::RmsNorm{weights.vector(path + "." + name + ".weight", hidden), config.rms_norm_eps};
  };
  return {.input_layernorm = norm("input_layernorm"),
          .self_attn = load_attention(config, biases, weights, path + ".self_attn"),
          .post_attention_layernorm = norm("post_attention_layernorm"),
          .mlp = {.gate_proj = weights.linear(path + ".mlp.gate_proj", inner, hidden, biases.mlp),
                  .up_proj = weights.linear(path + ".mlp.up_proj", inner, hidden, biases.mlp),
                  .down_proj = weights.linear(path + ".mlp.down_proj", hidden, inner, biases.mlp)}};
}

}  // namespace

nn::Tensor DecoderLayer::operator()(nn::Pass& pass, const nn::Rope& rope, const nn::Tensor& x,
                                    std::int64_t layer) const {
  const auto h = pass.add(x, self_attn(pass, rope, input_layernorm(pass, x), layer));
  return pass.add(h, mlp(pass, post_attention_layernorm(pass, h)));
}

Decoder::Decoder(const ModelConfig& config, const DecoderBiases& biases, nn::Weights& weights)
    : config_(config),
      runtime_(weights.runtime()),
      rope_(runtime_, static_cast<int>(config.head_dim), config.rope_theta, config.rope_traditional,
            config.rope_scaling),
      embed_tokens_(weights.embedding("model.embed_tokens", config.vocab_size, config.hidden_size)),
      norm_{weights.vector("model.norm.weight", config.hidden_size), config.rms_norm_eps} {
  layers_.reserve(config.num_hidden_layers);
  for (std::int64_t i = 0; i < config.num_hidden_layers; ++i) {
    layers_.push_back(load_layer(config, biases, weights, "model.layers." + std::to_string(i)));
  }
  if (!config.tie_word_embeddings) {
    lm_head_ = weights.linear("lm_head", config.vocab_size, config.hidden_size, false);
  }
  const auto tied = config.tie_word_embeddings;
  weights.drop_if([tied](const std::string& name) {
    return name.find("self_attn.rotary_emb.inv_freq") != std::string::npos || (tied && name == "lm_head.weight");
  });
}

nn::Tensor Decoder::forward(nn::Pass& pass, std::vector<std::int32_t> tokens) const {
  auto x = embed_tokens_(pass, std::move(tokens));
  for (std::size_t i = 0; i < layers_.size(); ++i) x = layers_[i](pass, rope_, x, static_cast<std::int64_t>(i));
  return x;
}

nn::Tensor Decoder::logits(nn::Pass& pass, const nn::Tensor& hidden) const {
  const auto x = norm_(pass, hidden);
  return lm_head_ ? (*lm_head_)(pass, x) : embed_tokens_.as_linear(pass, x);
}

std::shared_ptr<nn::KvCache> Decoder::make_cache() const {
  return std::make_shared<nn::KvCache>(runtime_, config_.num_hidden_layers, config_.num_key_value_heads,
                                       config_.head_dim);
}

}  // namespace punie::models
