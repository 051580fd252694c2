#include "nn/weights.h"

#include <algorithm>
#include <array>

#include "error.h"

namespace punie::nn {

namespace {

constexpr std::size_t kMostProblemsTold = 5;

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

bool supported(const Quantization& q) {
  constexpr std::array kBits{2, 3, 4, 5, 6, 8};
  constexpr std::array kGroups{32, 64, 128};
  return std::find(kBits.begin(), kBits.end(), q.bits) != kBits.end() &&
         std::find(kGroups.begin(), kGroups.end(), q.group_size) != kGroups.end();
}

std::string quantization_text(const Quantization& q) {
  return std::to_string(q.bits) + " bits in groups of " + std::to_string(q.group_size);
}

/// What the shapes of `weight` [..., cols * bits / 32] and `scales` [..., cols / group_size] say.
Quantization infer(const MatrixTensors& tensors) {
  const auto packed = tensors.weight.shape.empty() ? 0 : tensors.weight.shape.back();
  const auto groups = tensors.scales->shape.empty() ? 0 : tensors.scales->shape.back();
  return {static_cast<int>(packed * 32 / tensors.cols), groups > 0 ? static_cast<int>(tensors.cols / groups) : 0};
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
  const auto row = table_->row(path);
  if (row && (row->bits != inferred.bits || row->group_size != inferred.group_size)) {
    problems_.push_back("'" + path + "' is packed as " + quantization_text(inferred) + ", but config.json says " +
                        quantization_text(*row));
    return std::nullopt;
  }
  if (!supported(inferred)) {
    problems_.push_back("'" + path + "' has weight " + shape_text(tensors.weight.shape) + " and scales " +
                        shape_text(tensors.scales->shape) + ", which is no affine quantization of rows of " +
                        std::to_string(tensors.cols));
    return std::nullopt;
  }
  return inferred;
}

std::optional<MatrixTensors> Weights::tensors_of(const std::string& path, std::int64_t rows, std::int64_t cols,
                                                 std::int64_t stack) {
  const auto shape = [&](std::int64_t columns) {
    return stack > 0 ? std::vector{stack, rows, columns} : std::vector{rows, columns};
  };
  const auto name = path + ".weight";
  const auto* weight = take(name);
  if (weight == nullptr) return std::nullopt;
  MatrixTensors tensors{*weight, std::nullopt, std::nullopt, {}, rows, cols};
  if (store_.find(path + ".scales") != nullptr) {
    const auto* scales = take(path + ".scales");
    const auto* biases = take(path + ".biases");
    if (biases == nullptr) return std::nullopt;
    tensors.scales = *scales;
    tensors.biases = *biases;
    const auto quantization = quantization_of(path, tensors);
    if (!quantization) return std::nullopt;
    tensors.quantization = *quantization;
    if (weight->dtype != io::Dtype::u32) {
      problems_.push_back("'" + name + "' has dtype " + io::name_of(weight->dtype) + ", expected U32");
      return std::nullopt;
    }
    const auto groups = cols / quantization->group_size;
    if (!has_shape(name, *weight, shape(cols * quantization->bits / 32)) ||
        !has_shape(path + ".scales", *scales, shape(groups)) || !has_shape(path + ".biases", *biases, shape(groups)) ||
        !is_float(path + ".scales", *scales)) {
      return std::nullopt;
    }
    if (groups * quantization->group_size != cols || biases->dtype != scales->dtype) {
      problems_.push_back("'" + path + ".biases' does not go with its scales and weight");
      return std::nullopt;
    }
  } else if (!has_shape(name, *weight, shape(cols)) || !is_float(name, *weight)) {
    return std::nullopt;
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
  return runtime_.use_kernels ? make_kernel_experts(std::move(tensors)) : make_stock_experts(runtime_, tensors);
}

Linear Weights::linear(const std::string& path, std::int64_t out, std::int64_t in, bool bias) {
  Linear layer{matrix(path, out, in), std::nullopt};
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
  std::string text = "The weights do not fit config.json: ";
  for (std::size_t i = 0; i < std::min(problems.size(), kMostProblemsTold); ++i) text += (i ? "; " : "") + problems[i];
  if (problems.size() > kMostProblemsTold) {
    text += "; and " + std::to_string(problems.size() - kMostProblemsTold) + " more";
  }
  throw Error("WEIGHTS_MISMATCH", text + ".");
}

}  // namespace punie::nn
