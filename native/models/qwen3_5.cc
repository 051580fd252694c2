#include "models/decoder.h"
#include "models/registry.h"

namespace punie::models {

namespace {

std::string root_of(const nn::Weights& weights) {
  for (const auto root : kRoots) {
    if (weights.look_at(std::string(root) + ".embed_tokens.weight") != nullptr) return std::string(root);
  }
  return "model";
}

}  // namespace

/// Qwen3.5, the part for text, with experts or without: as Qwen3-Next, with a layer for each input of a delta net.
std::unique_ptr<Model> load_qwen3_5(const ModelConfig& config, nn::Weights& weights) {
  DecoderTraits traits{.qkv_bias = config.attention_bias,
                       .o_bias = config.attention_bias,
                       .qk_norm = true,
                       .gated_attention = true,
                       .root = root_of(weights)};
  if (traits.root == "language_model.model") traits.head = "language_model.lm_head";
  traits.norms_around_zero = is_unconverted(config, traits.root, weights);
  auto model = std::make_unique<Decoder>(config, traits, weights);
  weights.drop_if([](const std::string& name) {
    return name.starts_with("vision_tower") || name.starts_with("model.visual") ||
           name.find("mtp.") != std::string::npos;
  });
  return model;
}

}  // namespace punie::models
