#include "nn/adapter.h"

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
    const auto* a = store_.find(part.a);
    const auto rank_axis = part.transposed ? 0u : 1u;
    const auto rank = a != nullptr && a->shape.size() == 2 ? a->shape[rank_axis] : 0;
    const std::vector<std::int64_t> of_a{rank, layer.in}, of_b{rank, layer.out};
    auto values_a = matrix(part.a, of_a, !part.transposed);
    auto values_b = matrix(part.b, of_b, part.transposed);
    auto magnitude = part.magnitude.empty() ? std::vector<float>() : vector(part.magnitude, layer.out);
    if (values_a.empty() || values_b.empty() || (!part.magnitude.empty() && magnitude.empty())) return std::nullopt;
    for (auto& value : values_b) value *= part.scale;
    return LowRank::Values{rank, layer.in, layer.out, std::move(values_a), std::move(values_b), std::move(magnitude)};
  }

 private:
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

  /// The values of a matrix [rows, cols], which the file holds as [cols, rows] if `turned`. Empty: told.
  std::vector<float> matrix(const std::string& name, const std::vector<std::int64_t>& shape, bool turned) {
    const auto rows = shape[0], cols = shape[1];
    const auto* tensor = find(name, turned ? std::vector{cols, rows} : shape);
    if (tensor == nullptr) return {};
    const auto type = *float_type(tensor->dtype);
    std::vector<float> values(static_cast<std::size_t>(rows * cols));
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t col = 0; col < cols; ++col) {
        const auto at = turned ? col * rows + row : row * cols + col;
        values[static_cast<std::size_t>(row * cols + col)] = kernels::load_float(tensor->data, type, at);
      }
    }
    return values;
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
    : parts_(layers.size()) {
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
    auto values = reader.read(part, layer);
    if (values && problems.empty()) {
      parts_[slot->second] = std::make_unique<const LowRank>(runtime, std::move(*values), *layer.weight);
    }
  }
  if (!problems.empty()) throw Error("WEIGHTS_MISMATCH", tell_problems("The adapter does not fit the model", problems));
}

}  // namespace punie::nn
