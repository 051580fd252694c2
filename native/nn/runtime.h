#pragma once

#include <mlx/mlx.h>

#include <atomic>
#include <exception>

#include "kernels/thread_pool.h"

namespace punie::nn {

namespace mx = mlx::core;

/// Where and how a model's graph runs. Made on the owner thread, outlives every layer that refers to it.
struct Runtime {
  mx::Stream stream;
  /// True: our CPU kernels, float32 activations. False: MLX's own operations (a GPU, or the CPU for comparison).
  bool use_kernels;
  /// Activations of MLX's own operations; the kernels always compute in float32.
  mx::Dtype compute_dtype;
  kernels::Parallel parallel;
  /// While it is true, queued kernels return at once: nobody waits for what the pass computes.
  const std::atomic<bool>& interrupted;
  /// What a queued kernel threw, such as std::bad_alloc; the kernels after it are skipped. Written on the stream's
  /// thread, read by the owner once the graph is evaluated.
  mutable std::exception_ptr failure;
};

}  // namespace punie::nn
