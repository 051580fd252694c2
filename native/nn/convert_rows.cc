#include "nn/convert_rows.h"

#include <mlx/mlx.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>

#include "error.h"
#include "nn/leased_stream.h"
#include "nn/row_arrays.h"
#include "nn/small_float_rows.h"

namespace punie::nn {

namespace {

namespace mx = mlx::core;

/// Waits at the end of the process for conversions that run, before MLX's static state, which they use, is destroyed.
class Gate {
 public:
  /// Never destroyed: threads may end after static destructors have begun.
  static Gate& shared() {
    static Gate* const gate = new Gate;
    return *gate;
  }

  void enter() {
    const std::lock_guard lock(mutex_);
    if (closed_) throw Error("ABORTED", "The process is ending.");
    ++inside_;
  }

  void leave() {
    const std::lock_guard lock(mutex_);
    if (--inside_ == 0) empty_.notify_all();
  }

  /// To be called once MLX has made its static state: handlers run in reverse.
  void arm() {
    std::call_once(armed_, [] { std::atexit([] { shared().close(); }); });
  }

 private:
  void close() {
    std::unique_lock lock(mutex_);
    closed_ = true;
    empty_.wait(lock, [this] { return inside_ == 0; });
  }

  std::mutex mutex_;
  std::condition_variable empty_;
  std::once_flag armed_;
  int inside_ = 0;
  bool closed_ = false;
};

/// A stream for this thread, and what must be left behind when the work is done.
class Workplace {
 public:
  Workplace() {
    Gate::shared().enter();
    try {
      stream_.emplace(mx::Device::cpu);
      Gate::shared().arm();
    } catch (...) {
      Gate::shared().leave();
      throw;
    }
  }
  ~Workplace() {
    stream_.reset();
    Gate::shared().leave();
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

 private:
  std::optional<LeasedStream> stream_;
};

mx::Dtype float_type(io::Dtype dtype) {
  switch (dtype) {
    case io::Dtype::f32:
      return mx::float32;
    case io::Dtype::f16:
      return mx::float16;
    case io::Dtype::bf16:
      return mx::bfloat16;
    default:
      throw Error("INVALID_OPTION", std::string("rows must be F32, F16 or BF16, not ") + io::name_of(dtype) + ".");
  }
}

mx::array copy_in(std::span<const std::byte> bytes, std::int64_t columns, mx::Dtype dtype) {
  const auto row_bytes = static_cast<std::size_t>(columns) * dtype.size();
  if (row_bytes == 0 || bytes.size() % row_bytes != 0) {
    throw Error("INVALID_OPTION",
                std::to_string(bytes.size()) + " bytes are not whole rows of " + std::to_string(row_bytes) + ".");
  }
  auto buffer = mx::allocator::malloc(bytes.size());
  std::memcpy(buffer.buffer().raw_ptr(), bytes.data(), bytes.size());
  const mx::Shape shape{static_cast<int>(bytes.size() / row_bytes), static_cast<int>(columns)};
  return mx::array(std::move(buffer), shape, dtype);
}

/// Columns of packed words and of scales; refuses what MLX would.
struct GroupShape {
  std::int64_t words;
  std::int64_t groups;
};

GroupShape shape_of(const QuantizationMode& mode, std::int64_t columns) {
  if (mode.bits < 1 || mode.bits > 8 || mode.group_size < 1 || columns % mode.group_size != 0 ||
      columns * mode.bits % 32 != 0) {
    throw Error("INVALID_OPTION", "Rows of " + std::to_string(columns) + " can't be quantized to " +
                                      std::to_string(mode.bits) + " bits in groups of " +
                                      std::to_string(mode.group_size) + ".");
  }
  return {columns * mode.bits / 32, columns / mode.group_size};
}

/// Blocks in `data`, which must be whole rows.
std::int64_t blocks_in(std::span<const std::byte> data, std::int64_t columns, kernels::GgmlType type) {
  const auto block = kernels::block_of(type);
  const auto row_bytes = columns / block.values * block.bytes;
  if (columns % block.values != 0 || row_bytes == 0 || static_cast<std::int64_t>(data.size()) % row_bytes != 0) {
    throw Error("INVALID_OPTION", std::to_string(data.size()) + " bytes are not whole rows of " +
                                      std::to_string(columns) + " values in blocks of " + std::to_string(block.values) +
                                      ".");
  }
  return static_cast<std::int64_t>(data.size()) / block.bytes;
}

mx::array read_blocks(const RowsToConvert& rows) {
  const auto blocks = blocks_in(rows.data, rows.columns, *rows.ggml);
  const auto count = blocks * kernels::block_of(*rows.ggml).values;
  auto buffer = mx::allocator::malloc(static_cast<std::size_t>(count) * sizeof(float));
  kernels::ggml_values(*rows.ggml, rows.data.data(), blocks, static_cast<float*>(buffer.buffer().raw_ptr()));
  const mx::Shape shape{static_cast<int>(count / rows.columns), static_cast<int>(rows.columns)};
  return mx::array(std::move(buffer), shape, mx::float32);
}

mx::array read_values(const RowsToConvert& rows) {
  if (rows.ggml) return read_blocks(rows);
  if (!rows.packed) return copy_in(rows.data, rows.columns, float_type(rows.dtype));
  const auto& [mode, bits, group_size] = *rows.packed;
  const auto shape = shape_of(*rows.packed, rows.columns);
  const auto weight = copy_in(rows.data, shape.words, mx::uint32);
  const bool affine = mode == "affine";
  const auto scales = copy_in(rows.scales, shape.groups, affine ? float_type(rows.dtype) : mx::uint8);
  std::optional<mx::array> biases;
  if (affine) biases = copy_in(rows.biases, shape.groups, float_type(rows.dtype));
  if (scales.shape(0) != weight.shape(0) || (biases && biases->shape(0) != weight.shape(0))) {
    throw Error("INVALID_OPTION", "Weight, scales and biases have different numbers of rows.");
  }
  return mx::dequantize(weight, scales, biases, group_size, bits, mode);
}

/// A matrix of an adapter, with its axes as the product wants them.
mx::array adapter_matrix(std::span<const std::byte> bytes, io::Dtype dtype, std::int64_t rows, std::int64_t columns,
                         bool turn, const char* name) {
  const auto stored = copy_in(bytes, turn ? rows : columns, float_type(dtype));
  if (stored.shape(0) != (turn ? columns : rows)) {
    throw Error("WEIGHTS_MISMATCH", std::string("the adapter's ") + name + " has another shape than the layer.");
  }
  return turn ? mx::transpose(stored) : stored;
}

/// As mlx-lm's LoRALinear and DoRALinear fuse: the change is rounded to the weight's type, then added.
mx::array changed(const mx::array& weight, const LowRankChange& change, std::int64_t columns) {
  const auto rows = weight.shape(0);
  const auto first = static_cast<int>(change.first_row);
  if (change.first_row + rows > change.outputs) {
    throw Error("WEIGHTS_MISMATCH", "the adapter has fewer outputs than the layer.");
  }
  const auto a = adapter_matrix(change.a, change.a_dtype, change.rank, columns, !change.transposed, "first matrix");
  auto b = adapter_matrix(change.b, change.b_dtype, change.outputs, change.rank, !change.transposed, "second matrix");
  b = mx::slice(b, {first, 0}, {first + rows, static_cast<int>(change.rank)});
  const auto scale = mx::array(change.scale, b.dtype());
  auto sum = mx::add(weight, mx::astype(mx::matmul(mx::multiply(scale, b), a), weight.dtype()));
  if (change.magnitude.empty()) return sum;
  auto lengths = copy_in(change.magnitude, change.outputs, float_type(change.magnitude_dtype));
  lengths = mx::slice(mx::reshape(lengths, {-1}), {first}, {first + rows});
  const auto factors = mx::divide(lengths, mx::linalg::norm(sum, std::vector<int>{1}));
  return mx::multiply(mx::expand_dims(factors, 1), sum);
}

/// The part of a stack's matrix that is one expert's.
std::span<const std::byte> part_of(std::span<const std::byte> stack, std::int64_t expert, std::int64_t experts) {
  const auto bytes = stack.size() / static_cast<std::size_t>(experts);
  if (stack.size() % static_cast<std::size_t>(experts) != 0) {
    throw Error("WEIGHTS_MISMATCH", "the adapter has other experts than the layer.");
  }
  return stack.subspan(static_cast<std::size_t>(expert) * bytes, bytes);
}

/// As mlx-lm's LoRASwitchLinear fuses: each expert by itself.
mx::array changed_experts(const mx::array& weight, const LowRankChange& change, std::int64_t columns) {
  const auto end = change.first_row + weight.shape(0);
  if (end > change.outputs * change.experts) {
    throw Error("WEIGHTS_MISMATCH", "the adapter has fewer outputs than the layer.");
  }
  std::vector<mx::array> parts;
  for (auto row = change.first_row; row < end;) {
    const auto expert = row / change.outputs;
    const auto next = std::min(end, (expert + 1) * change.outputs);
    auto own = change;
    own.a = part_of(change.a, expert, change.experts);
    own.b = part_of(change.b, expert, change.experts);
    own.transposed = true;
    own.first_row = row % change.outputs;
    const auto from = static_cast<int>(row - change.first_row), to = static_cast<int>(next - change.first_row);
    parts.push_back(changed(mx::slice(weight, {from, 0}, {to, static_cast<int>(columns)}), own, columns));
    row = next;
  }
  return mx::concatenate(std::move(parts), 0);
}

}  // namespace

ConvertedRows convert_rows(const RowsToConvert& rows) {
  const Workplace workplace;
  auto values = read_values(rows);
  if (rows.add_one) values = mx::add(values, mx::array(1.0f, values.dtype()));
  if (rows.adapter) {
    const auto change = rows.adapter->experts > 0 ? changed_experts : changed;
    values = change(values, *rows.adapter, rows.columns);
  }
  values = mx::astype(values, float_type(rows.cast));
  if (!rows.quantize) return {copy_out(values), {}, {}};
  shape_of(*rows.quantize, rows.columns);
  values = mx::contiguous(values);
  values.eval();
  const auto& [mode, bits, group_size] = *rows.quantize;
  if (is_small_float(*rows.quantize)) return small_float_rows(values, *rows.quantize);
  require_finite(values);
  const auto parts = mx::quantize(values, group_size, bits, mode);
  return {copy_out(parts[0]), copy_out(parts[1]), parts.size() > 2 ? copy_out(parts[2]) : std::vector<std::byte>{}};
}

CarriedRows carry_rows(std::span<const std::byte> data, std::int64_t columns, kernels::GgmlType type) {
  constexpr std::int64_t kGroup = 32;
  const auto blocks = blocks_in(data, columns, type);
  const auto groups = static_cast<std::size_t>(blocks * kernels::block_of(type).values / kGroup);
  CarriedRows carried;
  carried.rows = {std::vector<std::byte>(groups * 4 * kernels::carried_bits(type)), std::vector<std::byte>(groups * 2),
                  std::vector<std::byte>(groups * 2)};
  const auto outcome = kernels::carry_over(type, data.data(), blocks, carried.rows.data.data(),
                                           reinterpret_cast<std::uint16_t*>(carried.rows.scales.data()),
                                           reinterpret_cast<std::uint16_t*>(carried.rows.biases.data()));
  if (outcome.fault == kernels::CarryOutcome::Fault::not_finite) {
    throw Error("MODEL_CORRUPT", "it has a scale that is not a finite number.");
  }
  if (outcome.fault == kernels::CarryOutcome::Fault::overflow) {
    throw Error("MODEL_UNSUPPORTED", "it has a scale so large that float16 can't hold it or its bias.");
  }
  carried.error_squares = outcome.error_squares;
  carried.value_squares = outcome.value_squares;
  return carried;
}

}  // namespace punie::nn
