#include "nn/rope.h"

#include <cmath>
#include <numbers>

namespace punie::nn {

namespace {

/// Llama 3.1's scaling, by wavelength: long ones are stretched by `factor`, short ones kept, those between blended.
/// The formula is Hugging Face transformers' `_compute_llama3_parameters`.
std::vector<float> llama3_periods(int head_dim, float theta, const RopeScaling& scaling) {
  const float low_wavelength = scaling.original_max_position_embeddings / scaling.low_freq_factor;
  const float high_wavelength = scaling.original_max_position_embeddings / scaling.high_freq_factor;
  std::vector<float> periods;
  for (int i = 0; i < head_dim; i += 2) {
    const float period = std::pow(theta, static_cast<float>(i) / static_cast<float>(head_dim));
    const float wavelength = 2 * std::numbers::pi_v<float> * period;
    const float smooth = (scaling.original_max_position_embeddings / wavelength - scaling.low_freq_factor) /
                         (scaling.high_freq_factor - scaling.low_freq_factor);
    if (wavelength > low_wavelength) {
      periods.push_back(period * scaling.factor);
    } else if (wavelength > high_wavelength) {
      periods.push_back(period / ((1 - smooth) / scaling.factor + smooth));
    } else {
      periods.push_back(period);
    }
  }
  return periods;
}

}  // namespace

Rope::Rope(int head_dim, float theta, bool traditional, const std::optional<RopeScaling>& scaling)
    : head_dim_(head_dim), theta_(theta), traditional_(traditional) {
  if (scaling && scaling->type == RopeScaling::Type::linear) scale_ = 1 / scaling->factor;
  if (scaling && scaling->type == RopeScaling::Type::llama3) periods_ = llama3_periods(head_dim, theta, *scaling);
  const int half = head_dim / 2;
  std::vector<float> frequencies(half);
  for (int i = 0; i < half; ++i) {
    // The same float32 expression as MLX's own, so that far positions turn by the same angle.
    frequencies[i] = periods_ ? 1 / (*periods_)[i] : std::exp(-static_cast<float>(i) * (std::log(theta) / half));
    frequencies[i] *= scale_;
  }
  inverse_frequencies_ = std::make_shared<const std::vector<float>>(std::move(frequencies));
}

mx::array Rope::stock(const Runtime& runtime, const mx::array& x, int offset) const {
  if (periods_) {
    const mx::array periods(periods_->begin(), {head_dim_ / 2});
    return mx::fast::rope(x, head_dim_, traditional_, std::nullopt, scale_, offset, periods, runtime.stream);
  }
  return mx::fast::rope(x, head_dim_, traditional_, theta_, scale_, offset, std::nullopt, runtime.stream);
}

}  // namespace punie::nn
