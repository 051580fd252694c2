#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/tensor_store.h"
#include "kernels/ggml_blocks.h"

namespace punie::nn {

/// A quantization as MLX names it: mode "affine", "mxfp4", "mxfp8" or "nvfp4".
struct QuantizationMode {
  std::string mode;
  int bits = 0;
  int group_size = 0;
};

/// What a LoRA or DoRA adapter changes the rows by; its matrices are whole, the rows may be some of the weight's.
struct LowRankChange {
  std::span<const std::byte> a;
  io::Dtype a_dtype = io::Dtype::f32;
  std::span<const std::byte> b;
  io::Dtype b_dtype = io::Dtype::f32;
  /// DoRA's length of each output's row; empty without.
  std::span<const std::byte> magnitude;
  io::Dtype magnitude_dtype = io::Dtype::f32;
  std::int64_t rank = 0;
  std::int64_t outputs = 0;
  float scale = 1;
  /// False: a is [columns, rank] and b [rank, outputs], as mlx-lm has them. True: [rank, columns] and [outputs, rank].
  bool transposed = false;
  /// Of a stack of experts their number: a is [experts, rank, columns] and b [experts, outputs, rank]. 0: no stack.
  std::int64_t experts = 0;
  /// Of the weight's outputs, those of all experts one after another, that of the first row.
  std::int64_t first_row = 0;
};

/// Rows of a matrix on their way into a model directory. The spans are the caller's and outlive the call.
struct RowsToConvert {
  std::span<const std::byte> data;
  std::int64_t columns = 0;
  /// Of `data`; of `scales` and `biases` where the rows are quantized by the affine mode.
  io::Dtype dtype = io::Dtype::f32;
  /// How `data` is quantized, if it is.
  std::optional<QuantizationMode> packed;
  std::span<const std::byte> scales;
  std::span<const std::byte> biases;
  /// The type of GGUF's blocks that `data` has, if it has; their values are float32.
  std::optional<kernels::GgmlType> ggml;
  /// One is added, in the rows' own type: norms that a checkpoint stores as what they differ from one by.
  bool add_one = false;
  /// Added before the cast, as mlx-lm fuses adapters.
  std::optional<LowRankChange> adapter;
  /// What the values are rounded to.
  io::Dtype cast = io::Dtype::f32;
  /// How the result is quantized, if it is.
  std::optional<QuantizationMode> quantize;
};

/// `scales` and `biases` are empty where the result has none.
struct ConvertedRows {
  std::vector<std::byte> data;
  std::vector<std::byte> scales;
  std::vector<std::byte> biases;
};

/// With MLX's own operations, on the CPU, so that the bytes are those that mlx-lm would write. May be called on any
/// thread; the arrays live and die on it. Throws INVALID_OPTION for sizes that do not go together, MODEL_CORRUPT for
/// values that are not finite and are to be quantized.
ConvertedRows convert_rows(const RowsToConvert& rows);

/// Rows of GGUF's blocks as MLX's affine groups of 32, see kernels::carry_over.
struct CarriedRows {
  ConvertedRows rows;
  double error_squares = 0;
  double value_squares = 0;
};

/// Throws INVALID_OPTION for bytes that are no whole rows, MODEL_CORRUPT for scales that are not finite,
/// MODEL_UNSUPPORTED for scales beyond float16.
CarriedRows carry_rows(std::span<const std::byte> data, std::int64_t columns, kernels::GgmlType type);

}  // namespace punie::nn
