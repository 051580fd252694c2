#include "models/decoder.h"
#include "models/registry.h"

namespace punie::models {

/// Qwen1.5-MoE and Qwen2-MoE: Qwen2's attention, and beside the experts that are chosen one that is shared.
std::unique_ptr<Model> load_qwen2_moe(const ModelConfig& config, nn::Weights& weights) {
  return std::make_unique<Decoder>(config, DecoderTraits{.qkv_bias = true}, weights);
}

}  // namespace punie::models
