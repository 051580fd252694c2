#pragma once

#include <mlx/mlx.h>

#include <atomic>
#include <memory>

#include "kernels/thread_pool.h"
#include "nn/buffer_pool.h"
#include "nn/stock_swiglu.h"

namespace punie::nn {

namespace mx = mlx::core;

/// Where and how a model runs. Made on the owner thread, outlives every layer that refers to it.
struct Runtime {
  mx::Stream stream;
  /// True: our CPU kernels, float32 activations. False: MLX's own operations (a GPU, or the CPU for comparison).
  bool use_kernels;
  /// Activations of MLX's own operations; the kernels always compute in float32.
  mx::Dtype compute_dtype;
  kernels::Parallel parallel;
  /// While it is true, kernels return at once: nobody waits for what the pass computes.
  const std::atomic<bool>& interrupted;
  /// Of MLX's own operations. A CPU has no compiler that is sure to be there.
  StockSwiglu swiglu = stream.device == mx::Device::gpu ? make_compiled_swiglu(stream) : make_stock_swiglu(stream);
  /// The kernels' activations.
  std::shared_ptr<BufferPool> buffers = std::make_shared<BufferPool>();
};

}  // namespace punie::nn
