#include "nn/adapter.h"

#include <algorithm>
#include <unordered_map>

#include "error.h"
#include "kernels/float_type.h"
#include "nn/problems.h"

namespace punie::nn {

namespace {

std::optional<kernels::FloatType> float_type(io::Dtype dtype) {
  switch (dtype) {
    case io::Dtype::f32:
      return kernels::FloatType::f32;
    case io::Dtype::f16:
      return kernels::FloatType::f16;
    case io::Dtype::bf16:
      return kernels::FloatType::bf16;
    default:
      return std::nullopt;
  }
}

/// Reads one layer's tensors; what does not fit is told.
class Reader {
 public:
  Reader(const io::TensorStore& store, std::vector<std::string>& problems) : store_(store), problems_(problems) {}

  std::optional<LowRank::Values> read(const AdapterLayer& part, const AdaptableLayer& layer) {
    const auto rank = rank_of(part.a, part.transposed ? 0 : 1, 2);
    auto a = matrices(part.a, 0, rank, layer.in, !part.transposed);
    auto b = matrices(part.b, 0, rank, layer.out, part.transposed);
    auto magnitude = part.magnitude.empty() ? std::vector<float>() : vector(part.magnitude, layer.out);
    if (a.empty() || b.empty() || (!part.magnitude.empty() && magnitude.empty())) return std::nullopt;
    scale(b[0], part.scale);
    return LowRank::Values{rank, layer.in, layer.out, std::move(a[0]), std::move(b[0]), std::move(magnitude)};
  }

  /// Empty: told.
  std::vector<LowRank::Values> read_experts(const AdapterLayer& part, const AdaptableLayer& layer) {
    if (!part.magnitude.empty()) problems_.push_back("'" + part.path + "' is of experts, which have no DoRA");
    const auto rank = rank_of(part.a, 1, 3);
    auto a = matrices(part.a, layer.experts, rank, layer.in, false);
    auto b = matrices(part.b, layer.experts, rank, layer.out, true);
    std::vector<LowRank::Values> values;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      scale(b[i], part.scale);
      values.push_back({rank, layer.in, layer.out, std::move(a[i]), std::move(b[i]), {}});
    }
    return values;
  }

 private:
  static void scale(std::vector<float>& values, float factor) {
    for (auto& value : values) value *= factor;
  }

  std::int64_t rank_of(const std::string& name, std::size_t axis, std::size_t dimensions) const {
    const auto* tensor = store_.find(name);
    return tensor != nullptr && tensor->shape.size() == dimensions ? tensor->shape[axis] : 0;
  }

  const io::Tensor* find(const std::string& name, const std::vector<std::int64_t>& shape) {
    const auto* tensor = store_.find(name);
    if (tensor == nullptr) {
      problems_.push_back("'" + name + "' is missing");
    } else if (tensor->shape != shape || tensor->bytes == 0) {
      problems_.push_back("'" + name + "' has shape " + shape_text(tensor->shape) + ", expected " + shape_text(shape));
    } else if (!float_type(tensor->dtype)) {
      problems_.push_back("'" + name + "' has dtype " + io::name_of(tensor->dtype) + ", expected F32, F16 or BF16");
    } else {
      return tensor;
    }
    return nullptr;
  }

  /// The values of `stack` matrices [rows, cols] one upon another, or of one if it is 0; the file holds them as
  /// [cols, rows] if `turned`. Empty: told.
  std::vector<std::vector<float>> matrices(const std::string& name, std::int64_t stack, std::int64_t rows,
                                           std::int64_t cols, bool turned) {
    auto shape = turned ? std::vector{cols, rows} : std::vector{rows, cols};
    if (stack > 0) shape.insert(shape.begin(), stack);
    const auto* tensor = find(name, shape);
    if (tensor == nullptr) return {};
    const auto type = *float_type(tensor->dtype);
    std::vector<std::vector<float>> all;
    for (std::int64_t first = 0; first < std::max<std::int64_t>(stack, 1) * rows * cols; first += rows * cols) {
      auto& values = all.emplace_back(static_cast<std::size_t>(rows * cols));
      for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t col = 0; col < cols; ++col) {
          const auto at = turned ? col * rows + row : row * cols + col;
          values[static_cast<std::size_t>(row * cols + col)] = kernels::load_float(tensor->data, type, first + at);
        }
      }
    }
    return all;
  }

  std::vector<float> vector(const std::string& name, std::int64_t size) {
    const auto* tensor = find(name, {size});
    if (tensor == nullptr) return {};
    std::vector<float> values(static_cast<std::size_t>(size));
    for (std::int64_t i = 0; i < size; ++i) {
      values[static_cast<std::size_t>(i)] = kernels::load_float(tensor->data, *float_type(tensor->dtype), i);
    }
    return values;
  }

  const io::TensorStore& store_;
  std::vector<std::string>& problems_;
};

}  // namespace

Adapter::Adapter(const Runtime& runtime, const std::vector<AdaptableLayer>& layers, const io::TensorStore& store,
                 const std::vector<AdapterLayer>& parts)
    : experts_(layers.size()), parts_(layers.size()) {
  std::unordered_map<std::string, std::size_t> slots;
  for (std::size_t slot = 0; slot < layers.size(); ++slot) slots.emplace(layers[slot].path, slot);
  std::vector<std::string> problems;
  Reader reader(store, problems);
  for (const auto& part : parts) {
    const auto slot = slots.find(part.path);
    if (slot == slots.end()) {
      problems.push_back("'" + part.path + "' is no linear layer of the model");
      continue;
    }
    const auto& layer = layers[slot->second];
    if (layer.experts > 0) {
      auto values = reader.read_experts(part, layer);
      if (problems.empty()) experts_[slot->second] = std::make_unique<const ExpertLowRank>(runtime, std::move(values));
      continue;
    }
    auto values = reader.read(part, layer);
    if (values && problems.empty()) {
      parts_[slot->second] = std::make_unique<const LowRank>(runtime, std::move(*values), *layer.weight);
    }
  }
  if (!problems.empty()) throw Error("WEIGHTS_MISMATCH", tell_problems("The adapter does not fit the model", problems));
}

}  // namespace punie::nn
