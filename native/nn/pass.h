#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "kernels/thread_pool.h"
#include "nn/kv_cache.h"
#include "nn/runtime.h"
#include "nn/tensor.h"

namespace punie::nn {

class Adapter;
class Rope;

/// Where a row of a pass stands.
struct RowPlace {
  KvCache* cache;
  std::int32_t position;
};

/// One forward pass, being put together by the layers and then run once.
///
/// With MLX's operations it is the graph that the tensors hold. With the kernels it is a list of steps: MLX would take
/// ten microseconds for each, longer than most of them run. Layers add steps in the order in which they are to run, so
/// memory that a layer lets go of may be given to a later step.
class Pass {
 public:
  /// Rows of one sequence after another: see Batch. `adapter`, which may be null, adds to the linear layers of all of
  /// them. Used on the owner thread.
  Pass(const Runtime& runtime, Batch batch, const Adapter* adapter = nullptr);

  const Runtime& runtime() const { return runtime_; }
  const Batch& batch() const { return batch_; }
  const Adapter* adapter() const { return adapter_; }
  bool kernels() const { return runtime_.use_kernels; }

  Tensor add(const Tensor& a, const Tensor& b);
  /// The rows `ids` of x.
  Tensor rows_of(const Tensor& x, std::vector<std::int32_t> ids);

  /// Has `read` see each row of x once the pass has come so far, on any thread. x may be let go of before: so a pass
  /// can read more than it could hold at once. Throws at `run` what `read` throws.
  using RowReader = std::function<void(std::int64_t row, std::span<const float> values)>;
  void each_row(const Tensor& x, RowReader read);

  /// Computes and returns the float32 values of `result`, valid as long as the pass; nothing when the runtime was
  /// interrupted. Throws what a step threw.
  std::span<const float> run(const Tensor& result);

  // For layers that use the kernels.

  Tensor make(std::int64_t rows, std::int64_t cols);
  /// Work on [0, count), in pieces of at most `grain`, by all threads; see kernels::Step.
  void step(std::int64_t count, std::int64_t grain, std::function<void(std::int64_t, std::int64_t)> run);
  void step(kernels::Step step);
  /// Work on each of `rows` rows by itself; pieces begin at multiples of kernels::piece_rows(). Neighbours of this kind
  /// with the same rows become one step.
  void row_step(std::int64_t rows, std::function<void(std::int64_t, std::int64_t)> run);
  /// x rounded for products of one format; a step of its own the first time.
  const Tensor::Rounded& rounded(const Tensor& x, const kernels::InputFormat& format);
  /// x with its columns in another order; a step of its own the first time.
  const Tensor& columns_of(const Tensor& x, const ColumnOrder& order);
  /// For each row of the pass the cosines, then the sines of `rope`'s angles there: [rows, 2 * half].
  std::shared_ptr<float[]> rope_table(const Rope& rope);
  /// For each row of the pass; outlives the steps.
  const RowPlace* places() const { return places_.data(); }
  std::int64_t rows() const { return static_cast<std::int64_t>(places_.size()); }

 private:
  const Runtime& runtime_;
  Batch batch_;
  const Adapter* adapter_;
  std::vector<RowPlace> places_;
  std::vector<kernels::Step> steps_;
  using RowParts = std::vector<std::function<void(std::int64_t, std::int64_t)>>;
  std::shared_ptr<RowParts> row_parts_;
  const Rope* table_rope_ = nullptr;
  std::shared_ptr<float[]> table_;
  /// With MLX's operations: what `each_row` is to read, in order.
  std::vector<std::pair<mx::array, RowReader>> readers_;
  std::optional<mx::array> result_;
};

}  // namespace punie::nn
