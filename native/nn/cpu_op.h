#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "nn/runtime.h"

namespace punie::nn {

/// One CPU kernel as a node of an MLX graph. `run` is called on the stream's thread with the float32 (or int32)
/// data of the inputs, row-contiguous, and the output's memory; it may keep state alive that it captured.
using CpuKernel = std::function<void(const std::vector<const void*>& inputs, float* output)>;

/// `name` shows up in MLX's graph dumps. Inputs must be row-contiguous, as all results of such nodes and of elementwise
/// operations on them are: an `mx::contiguous` for safety would double the number of nodes.
mx::array cpu_op(const char* name, const Runtime& runtime, mx::Shape shape, std::vector<mx::array> inputs,
                 CpuKernel run);

}  // namespace punie::nn
