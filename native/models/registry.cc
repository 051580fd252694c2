#include "models/registry.h"

#include "error.h"

namespace punie::models {

namespace {

struct Row {
  const char* model_type;
  std::unique_ptr<Model> (*load)(const ModelConfig&, nn::Weights&);
};

constexpr Row kModels[] = {
    {"llama", load_llama},         {"mistral", load_llama},       {"qwen2", load_qwen2},
    {"qwen2_moe", load_qwen2_moe}, {"qwen3", load_qwen3},         {"qwen3_5", load_qwen3_5},
    {"qwen3_5_moe", load_qwen3_5}, {"qwen3_moe", load_qwen3_moe}, {"qwen3_next", load_qwen3_next},
};

}  // namespace

std::unique_ptr<Model> load_model(const ModelConfig& config, nn::Weights& weights) {
  check_config(config);
  for (const auto& row : kModels) {
    if (config.model_type != row.model_type) continue;
    auto model = row.load(config, weights);
    weights.finish();
    return model;
  }
  throw Error("MODEL_UNSUPPORTED", "No model for model_type '" + config.model_type + "'.");
}

}  // namespace punie::models
