#include "models/decoder.h"
#include "models/registry.h"

namespace punie::models {

/// Llama 2 and 3, SmolLM, Mistral and their kind: `attention_bias` and `mlp_bias` are for all their linear layers.
std::unique_ptr<Model> load_llama(const ModelConfig& config, nn::Weights& weights) {
  const DecoderTraits traits{
      .qkv_bias = config.attention_bias, .o_bias = config.attention_bias, .mlp_bias = config.mlp_bias};
  return std::make_unique<Decoder>(config, traits, weights);
}

}  // namespace punie::models
