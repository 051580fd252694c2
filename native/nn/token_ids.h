#pragma once

#include <mlx/mlx.h>

#include <cstdint>
#include <variant>
#include <vector>

namespace punie::nn {

/// The tokens of a pass's rows: known, or, with MLX's operations only, still being computed, int32 [rows].
using TokenIds = std::variant<std::vector<std::int32_t>, mlx::core::array>;

}  // namespace punie::nn
