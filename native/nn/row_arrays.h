#pragma once

#include <mlx/mlx.h>

#include <cstddef>
#include <vector>

namespace punie::nn {

/// The array's bytes, in the order of its rows.
std::vector<std::byte> copy_out(mlx::core::array array);

/// Throws MODEL_CORRUPT where one of `values`, float32, float16 or bfloat16, contiguous and there, is not finite.
void require_finite(const mlx::core::array& values);

}  // namespace punie::nn
