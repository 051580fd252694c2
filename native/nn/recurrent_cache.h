#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "nn/runtime.h"

namespace punie::nn {

/// Floats that a recurrent layer remembers: the last inputs of its convolution, and its heads' states.
struct RecurrentCacheShape {
  std::int64_t inputs;
  std::int64_t state;
};

/// A recurrent layer's state of one sequence. A pass reads the current one and writes the next, which counts only when
/// the pass is done: so one that is cut short changes nothing.
class KernelRecurrentCache {
 public:
  explicit KernelRecurrentCache(RecurrentCacheShape shape) : shape_(shape) {}

  struct View {
    const float* inputs;
    const float* state;
    float* next_inputs;
    float* next_state;
  };

  /// Zeros before the first pass.
  View view() {
    const auto floats = static_cast<std::size_t>(shape_.inputs + shape_.state);
    if (!current_) current_ = std::make_unique<float[]>(floats);
    if (!next_) next_ = std::make_unique_for_overwrite<float[]>(floats);
    return {current_.get(), current_.get() + shape_.inputs, next_.get(), next_.get() + shape_.inputs};
  }
  void advance() { current_.swap(next_); }
  std::size_t bytes() const {
    return static_cast<std::size_t>(shape_.inputs + shape_.state) * sizeof(float) *
           ((current_ ? 1 : 0) + (next_ ? 1 : 0));
  }

 private:
  RecurrentCacheShape shape_;
  std::unique_ptr<float[]> current_;
  std::unique_ptr<float[]> next_;
};

/// The same for MLX's own operations; absent before the first use.
struct StockRecurrentCache {
  std::optional<mx::array> inputs;
  std::optional<mx::array> state;
  std::optional<mx::array> next_inputs;
  std::optional<mx::array> next_state;

  void advance() {
    inputs = std::move(next_inputs);
    state = std::move(next_state);
    next_inputs.reset();
    next_state.reset();
  }
  std::size_t bytes() const { return state ? state->nbytes() + inputs->nbytes() : 0; }
};

}  // namespace punie::nn
