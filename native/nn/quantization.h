#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "kernels/quantized_matmul.h"

namespace punie::nn {

/// How the weights of one layer are stored, in groups of `group_size` along the row (kernels/quantized_matmul.h).
struct Quantization {
  int bits = 4;
  int group_size = 64;
  kernels::QuantizationMode mode = kernels::QuantizationMode::affine;

  bool affine() const { return mode == kernels::QuantizationMode::affine; }
  bool operator==(const Quantization&) const = default;
};

/// The name that MLX and config.json give a mode.
inline const char* name_of(kernels::QuantizationMode mode) {
  switch (mode) {
    case kernels::QuantizationMode::mxfp4:
      return "mxfp4";
    case kernels::QuantizationMode::mxfp8:
      return "mxfp8";
    case kernels::QuantizationMode::nvfp4:
      return "nvfp4";
    default:
      return "affine";
  }
}

/// The rows of config.json's quantization table by module path. A layer without a row is quantized as its tensors
/// say, which is what mlx-lm does: the table's defaults may be wrong for it.
struct QuantizationTable {
  /// Nothing: a layer that is not quantized.
  using Row = std::optional<Quantization>;
  std::unordered_map<std::string, Row> layers;

  const Row* row(const std::string& path) const {
    const auto found = layers.find(path);
    return found == layers.end() ? nullptr : &found->second;
  }
};

}  // namespace punie::nn
