#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "io/tensor_store.h"
#include "nn/adapter.h"
#include "nn/expert_matrices.h"
#include "nn/linear.h"
#include "nn/quantization.h"
#include "nn/runtime.h"

namespace punie::nn {

/// Hands a checkpoint's tensors to the layers by name and keeps account: what is missing, what has the wrong shape,
/// what nobody took. Problems are collected, so that one error tells them all; `finish` throws it.
class Weights {
 public:
  /// `table` is absent when config.json has no quantization: then no layer may be quantized.
  Weights(const Runtime& runtime, const io::TensorStore& store, std::optional<QuantizationTable> table)
      : runtime_(runtime), store_(store), table_(std::move(table)) {}

  /// PATH.weight [out, in], quantized if PATH.scales is there, and PATH.bias [out] if `bias`. With PATH.global_scale,
  /// one number, where that is nvfp4. With PATH.input_order [in], a permutation, where the columns of the stored weight
  /// belong to the input's columns in that order.
  Linear linear(const std::string& path, std::int64_t out, std::int64_t in, bool bias);
  /// The matrices NAME of `count` experts below PATH: stacked, PATH.switch_mlp.NAME.weight [count, out, in], or one by
  /// one, PATH.experts.I.NAME.weight [out, in]; quantized if their scales are there.
  std::unique_ptr<ExpertMatrices> experts(const std::string& path, const std::string& name, std::int64_t count,
                                          std::int64_t out, std::int64_t in);
  /// PATH.weight [vocabulary, hidden], quantized if PATH.scales is there.
  Embedding embedding(const std::string& path, std::int64_t vocabulary, std::int64_t hidden);
  /// A float vector [size] in the runtime's own dtype, plus `offset`.
  mx::array vector(const std::string& name, std::int64_t size, float offset = 0);
  /// A float vector [size] in float32.
  mx::array exact_vector(const std::string& name, std::int64_t size);
  /// The weights of a convolution of each channel by itself, as MLX stores them [channels, taps, 1] or as PyTorch does
  /// [channels, 1, taps]: [taps, channels].
  mx::array convolution(const std::string& name, std::int64_t channels, std::int64_t taps);
  /// nullptr when there is none; it does not count as taken.
  const io::Tensor* look_at(const std::string& name) const { return store_.find(name); }
  /// Tensors that a checkpoint may carry and this model does not use, as mlx-lm's `sanitize` drops them.
  void drop_if(const std::function<bool(const std::string&)>& unused);

  /// Throws WEIGHTS_MISMATCH naming up to five problems: missing, misshapen, or left over.
  void finish() const;

  /// Bytes of all tensors taken.
  std::size_t bytes() const { return bytes_; }
  /// The linear layers, in the order of their `Linear::slot`. The model owns the matrices.
  const std::vector<AdaptableLayer>& adaptable() const { return adaptable_; }
  const Runtime& runtime() const { return runtime_; }

 private:
  const io::Tensor* take(const std::string& name);
  std::unique_ptr<Matrix> matrix(const std::string& path, std::int64_t rows, std::int64_t cols);
  /// The tensors of PATH once they have been checked; `stack` matrices on one another if it is above 0.
  std::optional<MatrixTensors> tensors_of(const std::string& path, std::int64_t rows, std::int64_t cols,
                                          std::int64_t stack = 0);
  bool take_quantized(const std::string& path, std::int64_t stack, MatrixTensors& tensors);
  std::optional<Quantization> quantization_of(const std::string& path, const MatrixTensors& tensors);
  std::unique_ptr<Matrix> permuted(const std::string& path, std::int64_t in, std::unique_ptr<Matrix> matrix);
  bool take_global_scale(const std::string& path, std::int64_t stack, MatrixTensors& tensors);
  bool has_shape(const std::string& name, const io::Tensor& tensor, const std::vector<std::int64_t>& expected);
  bool is_float(const std::string& name, const io::Tensor& tensor);

  const Runtime& runtime_;
  const io::TensorStore& store_;
  std::optional<QuantizationTable> table_;
  std::unordered_set<std::string> taken_;
  std::vector<std::string> problems_;
  std::vector<AdaptableLayer> adaptable_;
  /// Layers on the same input mostly have the same order: the input is then brought into it once.
  std::vector<ColumnOrder> column_orders_;
  std::size_t bytes_ = 0;
};

}  // namespace punie::nn
