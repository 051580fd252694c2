#include "models/decoder.h"
#include "models/registry.h"

namespace punie::models {

/// Qwen3-MoE, Qwen3-Coder-30B-A3B among them: Qwen3's attention, and experts in most layers.
std::unique_ptr<Model> load_qwen3_moe(const ModelConfig& config, nn::Weights& weights) {
  return std::make_unique<Decoder>(config, DecoderTraits{.qk_norm = true}, weights);
}

}  // namespace punie::models
