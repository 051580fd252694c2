#pragma once

#include <mlx/mlx.h>

#include "nn/convert_rows.h"

namespace punie::nn {

/// mxfp4, mxfp8 and nvfp4, each in the one width and group that it has.
bool is_small_float(const QuantizationMode& mode);

/// A matrix of float32, float16 or bfloat16, contiguous and there, in such a mode: the bytes that mlx.core.quantize
/// makes of it on the CPU. Throws MODEL_CORRUPT for values that are not finite.
ConvertedRows small_float_rows(const mlx::core::array& values, const QuantizationMode& mode);

}  // namespace punie::nn
