#pragma once

#include <mlx/mlx.h>

#include <functional>

namespace punie::nn {

/// gate and up, of one shape, to silu(gate) * up in MLX's operations.
using StockSwiglu = std::function<mlx::core::array(const mlx::core::array&, const mlx::core::array&)>;

/// Three primitives.
StockSwiglu make_stock_swiglu(mlx::core::Stream stream);
/// One, which MLX compiles when it first runs: on a GPU for its own driver, on a CPU by a C++ compiler that must be
/// there.
StockSwiglu make_compiled_swiglu(mlx::core::Stream stream);

}  // namespace punie::nn
