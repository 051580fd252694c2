#include "nn/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/rope.h"

namespace punie::nn {

namespace {

std::vector<float> values_of(mx::array x) {
  mx::eval(x);
  return {x.data<float>(), x.data<float>() + x.size()};
}

// MLX's exp and power round otherwise than the C library's, and a far position multiplies the difference by
// thousands: so the angles come from the expressions that MLX and mlx-lm use, computed by MLX.

/// Radians a position: theta^(-2i / dimensions).
std::vector<float> default_frequencies(const mx::Stream& stream, int dimensions, float theta) {
  const int half = dimensions / 2;
  const auto exponents = mx::arange(0.0, static_cast<double>(-half), -1.0, mx::float32, stream);
  return values_of(mx::exp(mx::multiply(exponents, mx::array(std::log(theta) / half), stream), stream));
}

/// Positions a radian: theta^(2i / dimensions).
std::vector<float> default_periods(const mx::Stream& stream, int dimensions, float theta) {
  const auto indices = mx::arange(0.0, static_cast<double>(dimensions), 2.0, mx::float32, stream);
  const auto exponents = mx::divide(indices, mx::array(static_cast<float>(dimensions)), stream);
  return values_of(mx::power(mx::array(theta), exponents, stream));
}

/// Llama 3.1's scaling, by wavelength: long ones are stretched by `factor`, short ones kept, those between blended.
/// The formula is Hugging Face transformers' `_compute_llama3_parameters`.
std::vector<float> llama3_periods(const mx::Stream& stream, int dimensions, float theta, const RopeScaling& scaling) {
  const float low_wavelength = scaling.original_max_position_embeddings / scaling.low_freq_factor;
  const float high_wavelength = scaling.original_max_position_embeddings / scaling.high_freq_factor;
  std::vector<float> periods;
  for (const float period : default_periods(stream, dimensions, theta)) {
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

/// YaRN (Peng et al., 2023): wavelengths that turn less than `beta_slow` times in the original length are stretched by
/// `factor`, those that turn more than `beta_fast` times kept, those between blended by a ramp over the dimensions.
std::vector<float> yarn_periods(const mx::Stream& stream, const RopeConfig& config, const RopeScaling& scaling) {
  const auto dimensions = static_cast<double>(config.dimensions);
  const auto dimension_of = [&](double rotations) {
    return dimensions * std::log(scaling.original_max_position_embeddings / (rotations * 2 * std::numbers::pi)) /
           (2 * std::log(static_cast<double>(config.theta)));
  };
  const auto low = static_cast<float>(std::max(std::floor(dimension_of(scaling.beta_fast)), 0.0));
  auto high = static_cast<float>(std::min(std::ceil(dimension_of(scaling.beta_slow)), dimensions - 1));
  if (low == high) high += 0.001f;
  std::vector<float> periods;
  for (const float period : default_periods(stream, config.dimensions, config.theta)) {
    const float ramp = std::clamp((static_cast<float>(periods.size()) - low) / (high - low), 0.0f, 1.0f);
    const float stretched = scaling.factor * period;
    periods.push_back(stretched * period / (stretched * (1 - ramp) + period * ramp));
  }
  return periods;
}

/// YaRN's change of the attention's temperature, on queries and keys alike.
float yarn_magnitude(const RopeScaling& scaling) {
  const auto magnitude = [&](float weight) {
    return scaling.factor <= 1 ? 1.0 : 0.1 * static_cast<double>(weight) * std::log(scaling.factor) + 1.0;
  };
  return static_cast<float>(magnitude(scaling.mscale) / magnitude(scaling.mscale_all_dim));
}

}  // namespace

Rope::Rope(const Runtime& runtime, const RopeConfig& config) : config_(config) {
  using Type = RopeScaling::Type;
  const auto& scaling = config.scaling;
  if (scaling && scaling->type == Type::linear) scale_ = 1 / scaling->factor;
  if (scaling && scaling->type == Type::llama3) {
    periods_ = llama3_periods(runtime.stream, config.dimensions, config.theta, *scaling);
  }
  if (scaling && scaling->type == Type::yarn) {
    periods_ = yarn_periods(runtime.stream, config, *scaling);
    magnitude_ = yarn_magnitude(*scaling);
  }
  inverse_frequencies_ = default_frequencies(runtime.stream, config.dimensions, config.theta);
  for (std::size_t i = 0; i < inverse_frequencies_.size(); ++i) {
    if (periods_) inverse_frequencies_[i] = 1 / (*periods_)[i];
    inverse_frequencies_[i] *= scale_;
  }
}

bool Rope::dynamic_at(std::int64_t position) const {
  return config_.scaling && config_.scaling->type == RopeScaling::Type::dynamic &&
         position >= config_.max_position_embeddings;
}

/// NTK-aware scaling by the length so far. The length is that of the text up to and with the position itself, which is
/// what a model sees that generates it token by token: so a row does not depend on how its prompt was cut into chunks.
float Rope::theta_at(std::int64_t position) const {
  if (!dynamic_at(position)) return config_.theta;
  const double factor = config_.scaling->factor;
  const double ratio = static_cast<double>(position + 1) / static_cast<double>(config_.max_position_embeddings);
  const double dimensions = config_.dimensions;
  return static_cast<float>(config_.theta * std::pow(factor * ratio - (factor - 1), dimensions / (dimensions - 2)));
}

void Rope::angles(std::int32_t position, float* table) const {
  if (!dynamic_at(position)) {
    return kernels::rope_angles(position, inverse_frequencies_.data(), half(), magnitude_, table);
  }
  std::vector<float> frequencies(inverse_frequencies_.size());
  const double logarithm = std::log(static_cast<double>(theta_at(position)));
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] = static_cast<float>(std::exp(-logarithm * static_cast<double>(i) / static_cast<double>(half())));
  }
  kernels::rope_angles(position, frequencies.data(), half(), magnitude_, table);
}

mx::array Rope::stock(const Runtime& runtime, const mx::array& x, int offset) const {
  const auto& s = runtime.stream;
  const int dimensions = config_.dimensions;
  if (periods_) {
    auto scaled = x;
    if (magnitude_ != 1) {
      const auto turned = mx::multiply(mx::slice(x, {0, 0, 0, 0}, {1, x.shape(1), x.shape(2), dimensions}, s),
                                       mx::array(magnitude_, x.dtype()), s);
      scaled = dimensions == x.shape(3) ? turned
                                        : mx::slice_update(x, turned, mx::Shape{0, 0, 0, 0},
                                                           mx::Shape{1, x.shape(1), x.shape(2), dimensions}, s);
    }
    const mx::array periods(periods_->begin(), {dimensions / 2});
    return mx::fast::rope(scaled, dimensions, config_.traditional, std::nullopt, scale_, offset, periods, s);
  }
  const int count = x.shape(2);
  const auto turn = [&](const mx::array& rows, int position) {
    return mx::fast::rope(rows, dimensions, config_.traditional, theta_at(position), scale_, position, std::nullopt, s);
  };
  if (!dynamic_at(offset + count - 1)) return turn(x, offset);
  std::vector<mx::array> rows;
  for (int i = 0; i < count; ++i) {
    rows.push_back(turn(mx::slice(x, {0, 0, i, 0}, {1, x.shape(1), i + 1, x.shape(3)}, s), offset + i));
  }
  return mx::concatenate(rows, 2, s);
}

}  // namespace punie::nn
