#include "models/decoder.h"

#include <algorithm>

namespace punie::models {

namespace {

nn::RmsNorm load_norm(const ModelConfig& config, const DecoderTraits& traits, nn::Weights& weights,
                      const std::string& path, std::int64_t size) {
  const float offset = traits.norms_around_zero ? 1.0f : 0.0f;
  return {weights.vector(path + ".weight", size, offset), config.rms_norm_eps};
}

/// Loads the layers of a block from below its path in the checkpoint.
class LayerLoader {
 public:
  LayerLoader(const ModelConfig& config, const DecoderTraits& traits, nn::Weights& weights, std::int64_t layer)
      : config_(config),
        traits_(traits),
        weights_(weights),
        layer_(layer),
        path_(traits.root + ".layers." + std::to_string(layer)) {}

  DecoderLayer load() {
    return {.input_layernorm = norm("input_layernorm", config_.hidden_size),
            .attention = mixer(),
            .post_attention_layernorm = norm("post_attention_layernorm", config_.hidden_size),
            .mlp = feed_forward()};
  }

 private:
  nn::RmsNorm norm(const std::string& name, std::int64_t size) {
    return load_norm(config_, traits_, weights_, path_ + "." + name, size);
  }

  nn::Linear linear(const std::string& name, std::int64_t out, std::int64_t in, bool bias) {
    return weights_.linear(path_ + "." + name, out, in, bias);
  }

  std::variant<nn::Attention, nn::GatedDeltaNet> mixer() {
    if (config_.layer_types[layer_] == LayerType::linear_attention) return delta_net(*config_.linear_attention);
    return attention();
  }

  nn::GatedDeltaNet delta_net(const LinearAttentionConfig& config) {
    const auto hidden = config_.hidden_size, heads = config.linear_num_value_heads,
               taps = config.linear_conv_kernel_dim;
    const auto keys = config.linear_num_key_heads * config.linear_key_head_dim;
    const auto values = heads * config.linear_value_head_dim, channels = 2 * keys + values;
    const auto in = [&](const std::string& name, std::int64_t out) {
      return linear("linear_attn.in_proj_" + name, out, hidden, false);
    };
    const auto inputs = [&]() -> std::variant<nn::SplitDeltaInputs, nn::FusedDeltaInputs> {
      if (traits_.fused_delta_inputs) return nn::FusedDeltaInputs{in("qkvz", channels + values), in("ba", 2 * heads)};
      return nn::SplitDeltaInputs{in("qkv", channels), in("z", values), in("b", heads), in("a", heads)};
    };
    const auto path = path_ + ".linear_attn";
    return {.shape = {config.linear_num_key_heads, heads, config.linear_key_head_dim, config.linear_value_head_dim},
            .taps = taps,
            .in_proj = inputs(),
            .conv1d = weights_.convolution(path + ".conv1d.weight", channels, taps),
            .dt_bias = weights_.exact_vector(path + ".dt_bias", heads),
            .a_log = weights_.exact_vector(path + ".A_log", heads),
            .norm = {weights_.vector(path + ".norm.weight", config.linear_value_head_dim), config_.rms_norm_eps},
            .out_proj = linear("linear_attn.out_proj", hidden, values, false)};
  }

  nn::Attention attention() {
    const auto hidden = config_.hidden_size;
    const auto q_size = config_.num_attention_heads * config_.head_dim;
    const auto kv_size = config_.num_key_value_heads * config_.head_dim;
    const auto q_rows = traits_.gated_attention ? 2 * q_size : q_size;
    nn::Attention layer{.heads = config_.num_attention_heads,
                        .kv_heads = config_.num_key_value_heads,
                        .head_dim = config_.head_dim,
                        .q_proj = linear("self_attn.q_proj", q_rows, hidden, traits_.qkv_bias),
                        .k_proj = linear("self_attn.k_proj", kv_size, hidden, traits_.qkv_bias),
                        .v_proj = linear("self_attn.v_proj", kv_size, hidden, traits_.qkv_bias),
                        .o_proj = linear("self_attn.o_proj", hidden, q_size, traits_.o_bias)};
    if (traits_.qk_norm) {
      layer.q_norm = norm("self_attn.q_norm", config_.head_dim);
      layer.k_norm = norm("self_attn.k_norm", config_.head_dim);
    }
    layer.gated = traits_.gated_attention;
    if (config_.layer_types[layer_] == LayerType::sliding_attention) layer.window = config_.sliding_window;
    return layer;
  }

  nn::Mlp mlp(const std::string& name, std::int64_t inner) {
    const auto hidden = config_.hidden_size;
    return {.gate_proj = linear(name + ".gate_proj", inner, hidden, traits_.mlp_bias),
            .up_proj = linear(name + ".up_proj", inner, hidden, traits_.mlp_bias),
            .down_proj = linear(name + ".down_proj", hidden, inner, traits_.mlp_bias)};
  }

  std::variant<nn::Mlp, nn::SparseMoe> feed_forward() {
    if (config_.experts && config_.experts->layers[layer_]) return moe(*config_.experts);
    return mlp("mlp", config_.intermediate_size);
  }

  nn::SparseMoe moe(const ExpertsConfig& config) {
    const auto hidden = config_.hidden_size, count = config.num_experts, inner = config.moe_intermediate_size;
    const auto experts = [&](const std::string& name, std::int64_t out, std::int64_t in) {
      return weights_.experts(path_ + ".mlp", name, count, out, in);
    };
    nn::SparseMoe moe{.gate = linear("mlp.gate", count, hidden, false),
                      .experts = {.count = count,
                                  .gate_proj = experts("gate_proj", inner, hidden),
                                  .up_proj = experts("up_proj", inner, hidden),
                                  .down_proj = experts("down_proj", hidden, inner)},
                      .per_token = config.num_experts_per_tok,
                      .normalize = config.norm_topk_prob};
    if (config.shared_expert_intermediate_size > 0) {
      moe.shared_expert = mlp("mlp.shared_expert", config.shared_expert_intermediate_size);
      moe.shared_expert_gate = linear("mlp.shared_expert_gate", 1, hidden, false);
    }
    return moe;
  }

  const ModelConfig& config_;
  const DecoderTraits& traits_;
  nn::Weights& weights_;
  std::size_t layer_;
  std::string path_;
};

}  // namespace

bool is_unconverted(const ModelConfig& config, const std::string& root, const nn::Weights& weights) {
  const auto linear = std::ranges::find(config.layer_types, LayerType::linear_attention);
  if (linear == config.layer_types.end()) return false;
  const auto layer = std::to_string(linear - config.layer_types.begin());
  const auto* tensor = weights.look_at(root + ".layers." + layer + ".linear_attn.conv1d.weight");
  return tensor != nullptr && !tensor->shape.empty() && tensor->shape.back() != 1;
}

nn::Tensor DecoderLayer::operator()(nn::Pass& pass, const nn::Rope& rope, const nn::Tensor& x,
                                    std::int64_t layer) const {
  const auto mixed = [&](const nn::Tensor& normed) {
    if (const auto* self_attn = std::get_if<nn::Attention>(&attention)) return (*self_attn)(pass, rope, normed, layer);
    return std::get<nn::GatedDeltaNet>(attention)(pass, normed, layer);
  };
  const auto h = pass.add(x, mixed(input_layernorm(pass, x)));
  const auto normed = post_attention_layernorm(pass, h);
  return pass.add(h, std::visit([&](const auto& block) { return block(pass, normed); }, mlp));
}

Decoder::Decoder(const ModelConfig& config, const DecoderTraits& traits, nn::Weights& weights)
    : config_(config),
      runtime_(weights.runtime()),
      rope_(runtime_, config.rope),
      embed_tokens_(weights.embedding(traits.root + ".embed_tokens", config.vocab_size, config.hidden_size)),
      norm_(load_norm(config, traits, weights, traits.root + ".norm", config.hidden_size)) {
  layers_.reserve(config.num_hidden_layers);
  for (std::int64_t i = 0; i < config.num_hidden_layers; ++i) {
    layers_.push_back(LayerLoader(config, traits, weights, i).load());
  }
  if (!config.tie_word_embeddings && !config.headless) {
    lm_head_ = weights.linear(traits.head, config.vocab_size, config.hidden_size, false);
  }
  const auto tied = config.tie_word_embeddings;
  weights.drop_if([tied, head = traits.head + ".weight"](const std::string& name) {
    return name.find("self_attn.rotary_emb.inv_freq") != std::string::npos || (tied && name == head);
  });
}

nn::Tensor Decoder::forward(nn::Pass& pass, nn::TokenIds tokens) const {
  auto x = embed_tokens_(pass, std::move(tokens));
  for (std::size_t i = 0; i < layers_.size(); ++i) x = layers_[i](pass, rope_, x, static_cast<std::int64_t>(i));
  return x;
}

nn::Tensor Decoder::final_norm(nn::Pass& pass, const nn::Tensor& hidden) const { return norm_(pass, hidden); }

nn::Tensor Decoder::logits(nn::Pass& pass, const nn::Tensor& hidden) const {
  require_head(config_);
  const auto x = final_norm(pass, hidden);
  return lm_head_ ? (*lm_head_)(pass, x) : embed_tokens_.as_linear(pass, x);
}

std::shared_ptr<nn::KvCache> Decoder::make_cache() const {
  std::vector<nn::LayerCacheShape> shapes;
  for (const auto& layer : layers_) {
    if (const auto* net = std::get_if<nn::GatedDeltaNet>(&layer.attention)) {
      shapes.push_back(net->cache_shape());
    } else {
      shapes.push_back(nn::AttentionCacheShape{config_.num_key_value_heads, config_.head_dim});
    }
  }
  return std::make_shared<nn::KvCache>(runtime_, shapes);
}

}  // namespace punie::models
