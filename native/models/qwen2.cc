#include "models/decoder.h"
#include "models/registry.h"

namespace punie::models {

/// Qwen2 and Qwen2.5: a bias on q, k and v, always and nowhere else.
std::unique_ptr<Model> load_qwen2(const ModelConfig& config, nn::Weights& weights) {
  return std::make_unique<Decoder>(config, DecoderTraits{.qkv_bias = true}, weights);
}

}  // namespace punie::models
