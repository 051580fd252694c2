#include "nn/rope.h"

#include <cmath>
#include <numbers>

namespace punie::nn {

namespace {

std::vector<float> values_of(mx::array x) {
  mx::eval(x);
  return {x.data<float>(), x.data<float>() + x.size()};
}

// MLX's exp and power round otherwise than the C library's, and a far position multiplies the difference by
// thousands: so the angles come from the expressions that MLX and mlx-lm use, computed by MLX.

/// Radians a position: theta^(-2i / head_dim).
std::vector<float> default_frequencies(const mx::Stream& stream, int head_dim, float theta) {
  const int half = head_dim / 2;
  const auto exponents = mx::arange(0.0, static_cast<double>(-half), -1.0, mx::float32, stream);
  return values_of(mx::exp(mx::multiply(exponents, mx::array(std::log(theta) / half), stream), stream));
}

/// Positions a radian: theta^(2i / head_dim).
std::vector<float> default_periods(const mx::Stream& stream, int head_dim, float theta) {
  const auto dimensions = mx::arange(0.0, static_cast<double>(head_dim), 2.0, mx::float32, stream);
  const auto exponents = mx::divide(dimensions, mx::array(static_cast<float>(head_dim)), stream);
  return values_of(mx::power(mx::array(theta), exponents, stream));
}

/// Llama 3.1's scaling, by wavelength: long ones are stretched by `factor`, short ones kept, those between blended.
/// The formula is Hugging Face transformers' `_compute_llama3_parameters`.
std::vector<float> llama3_periods(const mx::Stream& stream, int head_dim, float theta, const RopeScaling& scaling) {
  const float low_wavelength = scaling.original_max_position_embeddings / scaling.low_freq_factor;
  const float high_wavelength = scaling.original_max_position_embeddings / scaling.high_freq_factor;
  std::vector<float> periods;
  for (const float period : default_periods(stream, head_dim, theta)) {
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

Rope::Rope(const Runtime& runtime, int head_dim, float theta, bool traditional,
           const std::optional<RopeScaling>& scaling)
    : head_dim_(head_dim), theta_(theta), traditional_(traditional) {
  if (scaling && scaling->type == RopeScaling::Type::linear) scale_ = 1 / scaling->factor;
  if (scaling && scaling->type == RopeScaling::Type::llama3) {
    periods_ = llama3_periods(runtime.stream, head_dim, theta, *scaling);
  }
  auto frequencies = default_frequencies(runtime.stream, head_dim, theta);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    if (periods_) frequencies[i] = 1 / (*periods_)[i];
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
