#include "nn/pass.h"

#include <algorithm>
#include <utility>

#include "kernels/quantized_matmul.h"
#include "nn/rope.h"

namespace punie::nn {

namespace {

/// A pass of more rows leaves memory behind that is not worth keeping for the next.
constexpr std::int64_t kFewRows = 16;

mx::array evaluate(const mx::array& array, const mx::Stream& stream) {
  auto values = mx::contiguous(mx::astype(array, mx::float32, stream), false, stream);
  mx::eval(values);
  mx::synchronize(stream);
  return values;
}

}  // namespace

Pass::Pass(const Runtime& runtime, Batch batch, const Adapter* adapter)
    : runtime_(runtime), batch_(std::move(batch)), adapter_(adapter) {
  for (const auto& segment : batch_.segments) {
    const auto first = segment.cache->length();
    for (std::int64_t i = 0; i < segment.count; ++i) {
      places_.push_back({segment.cache.get(), static_cast<std::int32_t>(first + i)});
    }
  }
}

Tensor Pass::make(std::int64_t rows, std::int64_t cols) { return {runtime_.buffers->take(rows * cols), rows, cols}; }

void Pass::step(std::int64_t count, std::int64_t grain, std::function<void(std::int64_t, std::int64_t)> run) {
  step({.count = count, .grain = grain, .run = std::move(run)});
}

void Pass::step(kernels::Step step) {
  steps_.push_back(std::move(step));
  runtime_.buffers->step_added();
  row_parts_ = nullptr;
}

void Pass::row_step(std::int64_t rows, std::function<void(std::int64_t, std::int64_t)> run) {
  if (row_parts_ && steps_.back().count == rows) {
    row_parts_->push_back(std::move(run));
    return;
  }
  auto parts = std::make_shared<RowParts>();
  parts->push_back(std::move(run));
  step(rows, kernels::piece_rows(), [parts](std::int64_t begin, std::int64_t end) {
    for (const auto& part : *parts) part(begin, end);
  });
  row_parts_ = std::move(parts);
}

const Tensor::Rounded& Pass::rounded(const Tensor& x, const kernels::InputFormat& format) {
  auto& all = x.rounded();
  const auto found = std::ranges::find_if(all, [&](const auto& rounded) { return rounded.format == format; });
  if (found != all.end()) return *found;
  const auto layout = kernels::input_layout(format, x.rows());
  all.push_back({format, layout, runtime_.buffers->take(layout.floats())});
  row_step(x.rows(), [format, layout, from = x.data(), to = all.back().memory.get()](auto begin, auto end) {
    for (auto block = begin / layout.most_inputs; block * layout.most_inputs < end; ++block) {
      kernels::round_block(format, layout, from, block, to);
    }
  });
  return all.back();
}

const Tensor& Pass::columns_of(const Tensor& x, const ColumnOrder& order) {
  auto& all = x.permuted();
  const auto found = std::ranges::find(all, order, [](const auto& permuted) { return permuted.first; });
  if (found != all.end()) return found->second;
  const auto& [_, columns] = all.emplace_back(order, make(x.rows(), x.cols()));
  row_step(x.rows(), [order, from = x.data(), to = columns.data(), cols = x.cols()](auto begin, auto end) {
    for (auto row = begin; row < end; ++row)
      for (std::int64_t i = 0; i < cols; ++i)
        to[row * cols + i] = from[row * cols + (*order)[static_cast<std::size_t>(i)]];
  });
  return columns;
}

std::shared_ptr<float[]> Pass::rope_table(const Rope& rope) {
  if (table_rope_ == &rope) return table_;
  const auto floats = 2 * rope.half();
  table_ = runtime_.buffers->take(rows() * floats);
  table_rope_ = &rope;
  row_step(rows(), [&rope, floats, places = places(), table = table_.get()](auto begin, auto end) {
    for (auto row = begin; row < end; ++row) rope.angles(places[row].position, table + row * floats);
  });
  return table_;
}

Tensor Pass::add(const Tensor& a, const Tensor& b) {
  if (!kernels()) return Tensor(mx::add(a.array(), b.array(), runtime_.stream));
  auto sum = make(a.rows(), a.cols());
  row_step(a.rows(), [x = a.data(), y = b.data(), z = sum.data(), cols = a.cols()](auto begin, auto end) {
    for (auto i = begin * cols; i < end * cols; ++i) z[i] = x[i] + y[i];
  });
  return sum;
}

Tensor Pass::rows_of(const Tensor& x, std::vector<std::int32_t> ids) {
  const auto count = static_cast<std::int64_t>(ids.size());
  if (!kernels())
    return Tensor(mx::take(x.array(), mx::array(ids.begin(), {static_cast<int>(count)}), 0, runtime_.stream));
  auto rows = make(count, x.cols());
  row_step(count, [ids = std::move(ids), from = x.data(), to = rows.data(), cols = x.cols()](auto begin, auto end) {
    for (auto row = begin; row < end; ++row)
      std::copy_n(from + ids[static_cast<std::size_t>(row)] * cols, cols, to + row * cols);
  });
  return rows;
}

void Pass::each_row(const Tensor& x, RowReader read) {
  if (!kernels()) {
    readers_.emplace_back(x.array(), std::move(read));
    return;
  }
  step(x.rows(), 1, [read = std::move(read), from = x.data(), cols = x.cols()](auto begin, auto end) {
    for (auto row = begin; row < end; ++row) read(row, {from + row * cols, static_cast<std::size_t>(cols)});
  });
}

std::span<const float> Pass::run(const Tensor& result) {
  const auto& s = runtime_.stream;
  if (!kernels()) {
    result_ = evaluate(result.array(), s);
    for (auto& [array, read] : std::exchange(readers_, {})) {
      if (runtime_.interrupted) break;
      const auto values = evaluate(std::exchange(array, mx::array(0.0f)), s);
      const auto cols = static_cast<std::size_t>(values.shape(1));
      for (int row = 0; row < values.shape(0); ++row) read(row, {values.data<float>() + row * cols, cols});
    }
    return {result_->data<float>(), result_->size()};
  }
  const auto& [pool, threads] = runtime_.parallel;
  pool->run(threads, steps_, &runtime_.interrupted);
  if (rows() > kFewRows) runtime_.buffers->trim();
  return {result.data(), static_cast<std::size_t>(result.rows() * result.cols())};
}

}  // namespace punie::nn
