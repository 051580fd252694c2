#include "models/decoder.h"
#include "models/registry.h"

namespace punie::models {

/// Llama 2 and 3, SmolLM and their kind: `attention_bias` and `mlp_bias` are for all their linear layers.
std::unique_ptr<Model> load_llama(const ModelConfig& config, nn::Weights& weights) {
  const DecoderBiases biases{.qkv = config.attention_bias, .o = config.attention_bias, .mlp = config.mlp_bias};
  return std::make_unique<Decoder>(config, biases, weights);
}

}  // namespace punie::models
