#pragma once

#include <optional>
#include <string>
#include <unordered_map>

namespace punie::nn {

/// MLX affine quantization of one layer: value = scale * q + bias, per group of `group_size` along the row.
struct Quantization {
  int bits = 4;
  int group_size = 64;

  bool operator==(const Quantization&) const = default;
};

/// The rows of config.json's quantization table by module path. A layer without a row is quantized as the shapes
/// of its tensors say, which is what mlx-lm does: the table's defaults may be wrong for it.
struct QuantizationTable {
  std::unordered_map<std::string, Quantization> layers;

  std::optional<Quantization> row(const std::string& path) const {
    const auto found = layers.find(path);
    return found == layers.end() ? std::nullopt : std::optional(found->second);
  }
};

}  // namespace punie::nn
