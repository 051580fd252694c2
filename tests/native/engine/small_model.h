#pragma once

#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"

namespace punie::tests {

/// A llama of one layer in float32, in a file that is removed at the end.
class SmallModel {
 public:
  SmallModel() : path_("/tmp/punie-small-model-" + std::to_string(::getpid())) {
    constexpr std::int64_t kHidden = 64;
    constexpr std::int64_t kInner = 128;
    auto& config = spec_.config;
    config.model_type = "llama";
    config.hidden_size = kHidden;
    config.intermediate_size = kInner;
    config.num_hidden_layers = 1;
    config.num_attention_heads = 4;
    config.num_key_value_heads = 2;
    config.head_dim = 16;
    config.vocab_size = 96;
    config.max_position_embeddings = 256;
    config.rope.dimensions = 16;
    config.rope.max_position_embeddings = 256;
    config.layer_types = {models::LayerType::full_attention};
    config.tie_word_embeddings = true;
    const std::string layer = "model.layers.0.";
    add("model.embed_tokens.weight", {config.vocab_size, kHidden});
    add(layer + "input_layernorm.weight", {kHidden});
    add(layer + "post_attention_layernorm.weight", {kHidden});
    add(layer + "self_attn.q_proj.weight", {kHidden, kHidden});
    add(layer + "self_attn.k_proj.weight", {kHidden / 2, kHidden});
    add(layer + "self_attn.v_proj.weight", {kHidden / 2, kHidden});
    add(layer + "self_attn.o_proj.weight", {kHidden, kHidden});
    add(layer + "mlp.gate_proj.weight", {kInner, kHidden});
    add(layer + "mlp.up_proj.weight", {kInner, kHidden});
    add(layer + "mlp.down_proj.weight", {kHidden, kInner});
    add("model.norm.weight", {kHidden});
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(values_.data()), static_cast<std::streamsize>(values_.size() * 4));
    spec_.files = {{path_, values_.size() * 4}};
  }
  ~SmallModel() { ::unlink(path_.c_str()); }
  SmallModel(const SmallModel&) = delete;
  SmallModel& operator=(const SmallModel&) = delete;

  const engine::ModelSpec& spec() const { return spec_; }

 private:
  void add(std::string name, std::vector<std::int64_t> shape) {
    std::size_t count = 1;
    for (const auto size : shape) count *= static_cast<std::size_t>(size);
    spec_.tensors.push_back({std::move(name), 0, io::Dtype::f32, std::move(shape), values_.size() * 4, count * 4});
    for (std::size_t i = 0; i < count; ++i) {
      values_.push_back(std::sin(static_cast<float>(values_.size()) * 0.7f) * 0.5f);
    }
  }

  std::string path_;
  std::vector<float> values_;
  engine::ModelSpec spec_;
};

inline engine::Request request_of(std::int64_t id) {
  engine::Request request;
  request.id = id;
  request.prompt = {1, 2, static_cast<std::int32_t>(id % 90), 4, 5};
  request.max_tokens = 12;
  request.sampling.temperature = id % 2 == 0 ? 0.0f : 0.8f;
  request.sampling.seed = static_cast<std::uint64_t>(id);
  request.logprobs = 1;
  return request;
}

}  // namespace punie::tests
