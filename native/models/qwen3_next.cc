#include "models/decoder.h"
#include "models/registry.h"

namespace punie::models {

/// Qwen3-Next: three layers of four are gated delta nets, the fourth has gated attention; experts in all of them.
std::unique_ptr<Model> load_qwen3_next(const ModelConfig& config, nn::Weights& weights) {
  DecoderTraits traits{.qkv_bias = config.attention_bias,
                       .o_bias = config.attention_bias,
                       .qk_norm = true,
                       .gated_attention = true,
                       .fused_delta_inputs = true};
  traits.norms_around_zero = is_unconverted(config, traits.root, weights);
  auto model = std::make_unique<Decoder>(config, traits, weights);
  weights.drop_if([](const std::string& name) { return name.find("mtp.") != std::string::npos; });
  return model;
}

}  // namespace punie::models
