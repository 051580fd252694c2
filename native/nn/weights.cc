#include "nn/weights.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "error.h"
#include "nn/problems.h"

namespace punie::nn {

namespace {

std::vector<std::int64_t> shape_of(std::int64_t stack, std::int64_t rows, std::int64_t columns) {
  return stack > 0 ? std::vector{stack, rows, columns} : std::vector{rows, columns};
}

bool supported(const Quantization& q) {
  constexpr std::array kBits{2, 3, 4, 5, 6, 8};
  constexpr std::array kGroups{32, 64, 128};
  return !q.affine() || (std::find(kBits.begin(), kBits.end(), q.bits) != kBits.end() &&
                         std::find(kGroups.begin(), kGroups.end(), q.group_size) != kGroups.end());
}

std::string quantization_text(const Quantization& q) {
  return (q.affine() ? "" : name_of(q.mode) + std::string(", ")) + std::to_string(q.bits) + " bits in groups of " +
         std::to_string(q.group_size);
}

/// What the shapes of `weight` [..., cols * bits / 32] and `scales` [..., cols / group_size] say. Only the modes of
/// small floats have scales of one byte, and each of them one width and one group size.
Quantization infer(const MatrixTensors& tensors) {
  using Mode = kernels::QuantizationMode;
  const auto packed = tensors.weight.shape.empty() ? 0 : tensors.weight.shape.back();
  const auto groups = tensors.scales->shape.empty() ? 0 : tensors.scales->shape.back();
  Quantization q{static_cast<int>(packed * 32 / tensors.cols),
                 groups > 0 ? static_cast<int>(tensors.cols / groups) : 0};
  if (tensors.scales->dtype != io::Dtype::u8) return q;
  constexpr std::array kFloats{Quantization{4, 32, Mode::mxfp4}, Quantization{8, 32, Mode::mxfp8},
                               Quantization{4, 16, Mode::nvfp4}};
  for (const auto& known : kFloats) {
    if (q.bits == known.bits && q.group_size == known.group_size) return known;
  }
  q.bits = 0;
  return q;
}

/// One of `count` tensors on one another.
io::Tensor part_of(const io::Tensor& stack, std::int64_t index, std::int64_t count) {
  auto part = stack;
  part.shape.erase(part.shape.begin());
  part.bytes = stack.bytes / static_cast<std::size_t>(count);
  part.data = stack.data + part.bytes * static_cast<std::size_t>(index);
  return part;
}

MatrixTensors part_of(const MatrixTensors& stack, std::int64_t index, std::int64_t count) {
  auto part = stack;
  part.weight = part_of(stack.weight, index, count);
  if (stack.scales) part.scales = part_of(*stack.scales, index, count);
  if (stack.biases) part.biases = part_of(*stack.biases, index, count);
  if (stack.global_scale) part.global_scale = part_of(*stack.global_scale, index, count);
  return part;
}

bool alike(const MatrixTensors& a, const MatrixTensors& b) {
  return a.weight.dtype == b.weight.dtype && a.scales.has_value() == b.scales.has_value() &&
         (!a.scales || (a.scales->dtype == b.scales->dtype && a.quantization == b.quantization));
}

}  // namespace

const io::Tensor* Weights::take(const std::string& name) {
  const auto* tensor = store_.find(name);
  if (tensor == nullptr) {
    problems_.push_back("'" + name + "' is missing");
    return nullptr;
  }
  taken_.insert(name);
  bytes_ += tensor->bytes;
  return tensor;
}

bool Weights::has_shape(const std::string& name, const io::Tensor& tensor, const std::vector<std::int64_t>& expected) {
  if (tensor.shape == expected) return true;
  problems_.push_back("'" + name + "' has shape " + shape_text(tensor.shape) + ", expected " + shape_text(expected));
  return false;
}

bool Weights::is_float(const std::string& name, const io::Tensor& tensor) {
  if (tensor.dtype == io::Dtype::f32 || tensor.dtype == io::Dtype::f16 || tensor.dtype == io::Dtype::bf16) return true;
  problems_.push_back("'" + name + "' has dtype " + io::name_of(tensor.dtype) + ", expected F32, F16 or BF16");
  return false;
}

std::optional<Quantization> Weights::quantization_of(const std::string& path, const MatrixTensors& tensors) {
  if (!table_) {
    problems_.push_back("'" + path + ".scales' is there, but config.json has no quantization");
    return std::nullopt;
  }
  const auto inferred = infer(tensors);
  const auto* row = table_->row(path);
  if (row != nullptr && !*row) {
    problems_.push_back("'" + path + ".scales' is there, but config.json says that this layer is not quantized");
    return std::nullopt;
  }
  if (row != nullptr && **row != inferred) {
    problems_.push_back("'" + path + "' is packed as " + quantization_text(inferred) + ", but config.json says " +
                        quantization_text(**row));
    return std::nullopt;
  }
  if (!supported(inferred)) {
    problems_.push_back("'" + path + "' has weight " + shape_text(tensors.weight.shape) + " and scales " +
                        io::name_of(tensors.scales->dtype) + " " + shape_text(tensors.scales->shape) +
                        ", which is no quantization of rows of " + std::to_string(tensors.cols));
    return std::nullopt;
  }
  return inferred;
}

/// Adds PATH.global_scale where it is there: one for each of the matrices on one another. False where it is not right.
bool Weights::take_global_scale(const std::string& path, std::int64_t stack, MatrixTensors& tensors) {
  const auto name = path + ".global_scale";
  // In any other mode it is left over, and so a problem of its own.
  if (tensors.quantization.mode != kernels::QuantizationMode::nvfp4 || store_.find(name) == nullptr) return true;
  const auto* scales = take(name);
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(stack, 1));
  const bool right_shape = stack > 0 ? scales->shape == std::vector{stack} : scales->bytes == sizeof(float);
  if (scales->dtype != io::Dtype::f32 || !right_shape) {
    problems_.push_back("'" + name + "' is " + io::name_of(scales->dtype) + " " + shape_text(scales->shape) +
                        ", expected F32 " + (stack > 0 ? shape_text({stack}) : "[]"));
    return false;
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (std::isfinite(kernels::load_unaligned<float>(scales->data + i * sizeof(float)))) continue;
    problems_.push_back("'" + name + "' is not finite");
    return false;
  }
  tensors.global_scale = *scales;
  return true;
}

/// Adds the rest of a quantized matrix to its weight; false where something is not right.
bool Weights::take_quantized(const std::string& path, std::int64_t stack, MatrixTensors& tensors) {
  const auto name = path + ".weight";
  const auto shape = [&](std::int64_t columns) { return shape_of(stack, tensors.rows, columns); };
  const auto* scales = take(path + ".scales");
  // Only the modes of small floats have scales of one byte, and no biases.
  const auto* biases = scales->dtype == io::Dtype::u8 ? nullptr : take(path + ".biases");
  tensors.scales = *scales;
  const auto quantization = quantization_of(path, tensors);
  if (!quantization) return false;
  tensors.quantization = *quantization;
  if (tensors.weight.dtype != io::Dtype::u32) {
    problems_.push_back("'" + name + "' has dtype " + io::name_of(tensors.weight.dtype) + ", expected U32");
    return false;
  }
  const auto groups = tensors.cols / quantization->group_size;
  if (!has_shape(name, tensors.weight, shape(tensors.cols * quantization->bits / 32)) ||
      !has_shape(path + ".scales", *scales, shape(groups))) {
    return false;
  }
  if (groups * quantization->group_size != tensors.cols) {
    problems_.push_back("'" + path + ".scales' does not go with rows of " + std::to_string(tensors.cols));
    return false;
  }
  if (!quantization->affine()) return take_global_scale(path, stack, tensors);
  if (biases == nullptr || !has_shape(path + ".biases", *biases, shape(groups)) ||
      !is_float(path + ".scales", *scales)) {
    return false;
  }
  if (biases->dtype != scales->dtype) {
    problems_.push_back("'" + path + ".biases' does not go with its scales and weight");
    return false;
  }
  tensors.biases = *biases;
  return true;
}

std::optional<MatrixTensors> Weights::tensors_of(const std::string& path, std::int64_t rows, std::int64_t cols,
                                                 std::int64_t stack) {
  const auto name = path + ".weight";
  const auto* weight = take(name);
  if (weight == nullptr) return std::nullopt;
  MatrixTensors tensors{*weight, std::nullopt, std::nullopt, {}, rows, cols};
  if (store_.find(path + ".scales") != nullptr) {
    if (!take_quantized(path, stack, tensors)) return std::nullopt;
  } else {
    const auto* row = table_ ? table_->row(path) : nullptr;
    if (row != nullptr && *row) {
      problems_.push_back("'" + path + ".scales' is missing: config.json says " + quantization_text(**row));
      return std::nullopt;
    }
    if (!has_shape(name, *weight, shape_of(stack, rows, cols)) || !is_float(name, *weight)) return std::nullopt;
  }
  return tensors;
}

std::unique_ptr<Matrix> Weights::matrix(const std::string& path, std::int64_t rows, std::int64_t cols) {
  auto tensors = tensors_of(path, rows, cols);
  if (!tensors) return nullptr;
  return runtime_.use_kernels ? make_kernel_matrix(std::move(*tensors)) : make_stock_matrix(runtime_, *tensors);
}

std::unique_ptr<ExpertMatrices> Weights::experts(const std::string& path, const std::string& name, std::int64_t count,
                                                 std::int64_t out, std::int64_t in) {
  std::vector<MatrixTensors> tensors;
  const auto one_by_one = path + ".experts.0." + name;
  if (store_.find(one_by_one + ".weight") == nullptr) {
    const auto stack = tensors_of(path + ".switch_mlp." + name, out, in, count);
    if (!stack) return nullptr;
    for (std::int64_t i = 0; i < count; ++i) tensors.push_back(part_of(*stack, i, count));
  } else {
    for (std::int64_t i = 0; i < count; ++i) {
      auto expert = tensors_of(path + ".experts." + std::to_string(i) + "." + name, out, in);
      if (!expert) return nullptr;
      if (i > 0 && !alike(*expert, tensors[0])) {
        problems_.push_back("'" + path + ".experts." + std::to_string(i) + "." + name +
                            "' is stored otherwise than the first expert's");
        return nullptr;
      }
      tensors.push_back(std::move(*expert));
    }
  }
  auto matrices =
      runtime_.use_kernels ? make_kernel_experts(std::move(tensors)) : make_stock_experts(runtime_, tensors);
  matrices->slot = static_cast<int>(adaptable_.size());
  adaptable_.push_back({path + ".switch_mlp." + name, nullptr, out, in, count});
  return matrices;
}

/// The matrix, or nothing where PATH.input_order is there and not right.
std::unique_ptr<Matrix> Weights::permuted(const std::string& path, std::int64_t in, std::unique_ptr<Matrix> matrix) {
  const auto name = path + ".input_order";
  if (matrix == nullptr || store_.find(name) == nullptr) return matrix;
  const auto* tensor = take(name);
  if (!has_shape(name, *tensor, {in})) return nullptr;
  std::vector<std::int32_t> order;
  std::vector<bool> seen(static_cast<std::size_t>(in));
  for (std::int64_t i = 0; i < in && tensor->dtype == io::Dtype::u32; ++i) {
    const auto column = kernels::load_unaligned<std::uint32_t>(tensor->data + i * 4);
    if (column >= in || seen[column]) break;
    seen[column] = true;
    order.push_back(static_cast<std::int32_t>(column));
  }
  if (static_cast<std::int64_t>(order.size()) != in) {
    problems_.push_back("'" + name + "' is no permutation of " + std::to_string(in) + " columns in U32");
    return nullptr;
  }
  const auto known = std::ranges::find_if(column_orders_, [&](const auto& one) { return *one == order; });
  if (known == column_orders_.end()) {
    column_orders_.push_back(std::make_shared<const std::vector<std::int32_t>>(std::move(order)));
    return make_permuted_matrix(runtime_, std::move(matrix), column_orders_.back());
  }
  return make_permuted_matrix(runtime_, std::move(matrix), *known);
}

Linear Weights::linear(const std::string& path, std::int64_t out, std::int64_t in, bool bias) {
  Linear layer{permuted(path, in, matrix(path, out, in)), std::nullopt, static_cast<int>(adaptable_.size())};
  adaptable_.push_back({path, layer.weight.get(), out, in});
  if (bias) layer.bias = vector(path + ".bias", out);
  return layer;
}

Embedding Weights::embedding(const std::string& path, std::int64_t vocabulary, std::int64_t hidden) {
  return {matrix(path, vocabulary, hidden)};
}

mx::array Weights::vector(const std::string& name, std::int64_t size, float offset) {
  const auto* tensor = take(name);
  if (tensor == nullptr || !has_shape(name, *tensor, {size}) || !is_float(name, *tensor)) return mx::array(0.0f);
  auto values = to_array(runtime_, *tensor, runtime_.compute_dtype);
  if (offset == 0) return values;
  values = mx::add(values, mx::array(offset, values.dtype()), runtime_.stream);
  values.eval();
  return values;
}

mx::array Weights::exact_vector(const std::string& name, std::int64_t size) {
  const auto* tensor = take(name);
  if (tensor == nullptr || !has_shape(name, *tensor, {size}) || !is_float(name, *tensor)) return mx::array(0.0f);
  return to_array(runtime_, *tensor, mx::float32);
}

mx::array Weights::convolution(const std::string& name, std::int64_t channels, std::int64_t taps) {
  const auto* tensor = take(name);
  const auto width = static_cast<int>(channels), count = static_cast<int>(taps);
  const std::vector<std::int64_t> of_torch{channels, 1, taps};
  if (tensor == nullptr || !is_float(name, *tensor)) return mx::array(0.0f);
  if (tensor->shape != of_torch && !has_shape(name, *tensor, {channels, taps, 1})) return mx::array(0.0f);
  const auto values = mx::reshape(to_array(runtime_, *tensor, runtime_.compute_dtype), {width, count}, runtime_.stream);
  auto turned = mx::contiguous(mx::transpose(values, runtime_.stream), false, runtime_.stream);
  turned.eval();
  return turned;
}

void Weights::drop_if(const std::function<bool(const std::string&)>& unused) {
  for (const auto& [name, tensor] : store_.tensors()) {
    if (unused(name)) taken_.insert(name);
  }
}

void Weights::finish() const {
  auto problems = problems_;
  std::vector<std::string> extra;
  for (const auto& [name, tensor] : store_.tensors()) {
    if (!taken_.contains(name)) extra.push_back("'" + name + "' is not part of this model");
  }
  std::sort(extra.begin(), extra.end());
  problems.insert(problems.end(), extra.begin(), extra.end());
  if (problems.empty()) return;
  throw Error("WEIGHTS_MISMATCH", tell_problems("The weights do not fit config.json", problems));
}

}  // namespace punie::nn
