#pragma once

#include <memory>

#include "models/config.h"
#include "models/model.h"
#include "nn/weights.h"

namespace punie::models {

/// Builds the model that `config.model_type` names from its weights and checks that none is missing or left over.
/// Throws MODEL_UNSUPPORTED, MODEL_CORRUPT or WEIGHTS_MISMATCH. `weights.runtime()` must outlive it.
std::unique_ptr<Model> load_model(const ModelConfig& config, nn::Weights& weights);

std::unique_ptr<Model> load_llama(const ModelConfig& config, nn::Weights& weights);
std::unique_ptr<Model> load_qwen2(const ModelConfig& config, nn::Weights& weights);
std::unique_ptr<Model> load_qwen3(const ModelConfig& config, nn::Weights& weights);
std::unique_ptr<Model> load_qwen2_moe(const ModelConfig& config, nn::Weights& weights);
std::unique_ptr<Model> load_qwen3_moe(const ModelConfig& config, nn::Weights& weights);
std::unique_ptr<Model> load_qwen3_next(const ModelConfig& config, nn::Weights& weights);
std::unique_ptr<Model> load_qwen3_5(const ModelConfig& config, nn::Weights& weights);

}  // namespace punie::models
