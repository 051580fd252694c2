#include "models/decoder.h"
#include "models/registry.h"

namespace punie::models {

/// Qwen3: no biases; each head's queries and keys are normalized.
std::unique_ptr<Model> load_qwen3(const ModelConfig& config, nn::Weights& weights) {
  return std::make_unique<Decoder>(config, DecoderTraits{.qk_norm = true}, weights);
}

}  // namespace punie::models
