// Fuzzes what stands between a weight file and the kernels: io::TensorStore, nn::Weights, the models and the sampler.
//
// An input begins as a small model that is right, and tells what is wrong with it: sizes of its configuration, rows of
// its quantization table, and the header's words on its tensors. The rest of the input is the file's content. Whatever
// it says, one of the coded errors may come of it, or tokens; nothing is read outside the file.

#include "nn/weights.h"

#include <fuzzer/FuzzedDataProvider.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sampler.h"
#include "error.h"
#include "io/tensor_store.h"
#include "kernels/cpu_features.h"
#include "models/registry.h"
#include "nn/pass.h"

namespace {

using namespace punie;
namespace mx = mlx::core;

constexpr std::array kCodes{"MODEL_CORRUPT", "MODEL_UNSUPPORTED", "WEIGHTS_MISMATCH"};
constexpr std::array kDtypes{"F32", "F16", "BF16", "U32", "F64", "I64", "U64", "I32", "I16", "U16", "I8", "U8", "BOOL"};
constexpr std::array kOddNumbers{
    std::int64_t{0},       std::int64_t{1},       std::int64_t{-1},      std::int64_t{3}, std::int64_t{1} << 20,
    std::int64_t{1} << 31, std::int64_t{1} << 32, std::int64_t{1} << 53, INT64_MAX,       INT64_MIN};
/// Of the whole model: what is larger costs time and finds nothing else.
constexpr std::int64_t kMostFileBytes = 1 << 20;

std::int64_t odd_number(FuzzedDataProvider& input, std::int64_t near) {
  // Unsigned, since one that is odd already may overflow.
  const auto number = static_cast<std::uint64_t>(near);
  switch (input.ConsumeIntegralInRange(0, 3)) {
    case 0:
      return static_cast<std::int64_t>(number + static_cast<std::uint64_t>(input.ConsumeIntegralInRange(-2, 2)));
    case 1:
      return static_cast<std::int64_t>(number * input.ConsumeIntegralInRange<std::uint64_t>(0, 4));
    case 2:
      return input.PickValueInArray(kOddNumbers);
    default:
      return input.ConsumeIntegral<std::int64_t>();
  }
}

/// A small file in memory that can be mapped by its path.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("punie-fuzz", 0)) {
    if (descriptor_ < 0) std::abort();
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }
  void fill(const std::vector<char>& bytes) const {
    if (::ftruncate(descriptor_, 0) != 0) std::abort();
    if (::pwrite(descriptor_, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) std::abort();
  }

 private:
  int descriptor_;
};

/// A model's header in the making: tensors one after another, as its configuration wants them.
struct Header {
  std::vector<io::TensorInfo> tensors;
  std::size_t bytes;

  void add(std::string name, io::Dtype dtype, std::vector<std::int64_t> shape) {
    std::size_t size = io::size_of(dtype);
    for (const auto dimension : shape) size *= static_cast<std::size_t>(dimension);
    tensors.push_back({std::move(name), 0, dtype, std::move(shape), bytes, size});
    bytes += size;
  }

  void matrix(const std::string& path, std::int64_t rows, std::int64_t cols, const nn::Quantization& q, bool plain,
              io::Dtype dtype) {
    if (plain) return add(path + ".weight", dtype, {rows, cols});
    add(path + ".weight", io::Dtype::u32, {rows, cols * q.bits / 32});
    add(path + ".scales", q.affine() ? dtype : io::Dtype::u8, {rows, cols / q.group_size});
    if (q.affine()) add(path + ".biases", dtype, {rows, cols / q.group_size});
  }
};

models::ModelConfig right_config(FuzzedDataProvider& input) {
  models::ModelConfig config;
  config.model_type = input.ConsumeBool() ? "qwen2" : "llama";
  config.head_dim = 2 * input.ConsumeIntegralInRange(1, 33);
  config.num_key_value_heads = input.ConsumeIntegralInRange(1, 3);
  config.num_attention_heads = config.num_key_value_heads * input.ConsumeIntegralInRange(1, 3);
  config.hidden_size = 128 * input.ConsumeIntegralInRange(1, 2);
  config.intermediate_size = 128 * input.ConsumeIntegralInRange(1, 2);
  config.num_hidden_layers = 1;
  config.vocab_size = input.ConsumeIntegralInRange(1, 70);
  config.max_position_embeddings = 64;
  config.tie_word_embeddings = input.ConsumeBool();
  config.attention_bias = input.ConsumeBool();
  config.mlp_bias = input.ConsumeBool();
  config.layer_types = {input.ConsumeBool() ? models::LayerType::full_attention : models::LayerType::sliding_attention};
  config.sliding_window = input.ConsumeIntegralInRange(1, 4);
  config.rope.dimensions = input.ConsumeBool() ? static_cast<int>(config.head_dim) : 2;
  config.rope.max_position_embeddings = input.ConsumeIntegralInRange(1, 64);
  config.rope.traditional = input.ConsumeBool();
  config.rope.theta = input.ConsumeBool() ? 10000 : input.ConsumeFloatingPoint<float>();
  config.rms_norm_eps = input.ConsumeBool() ? 1e-6f : input.ConsumeFloatingPoint<float>();
  if (input.ConsumeBool()) {
    nn::RopeScaling scaling;
    using enum nn::RopeScaling::Type;
    scaling.type = input.PickValueInArray({linear, dynamic, llama3, yarn});
    scaling.factor = input.ConsumeFloatingPoint<float>();
    scaling.low_freq_factor = input.ConsumeFloatingPoint<float>();
    config.rope.scaling = scaling;
  }
  return config;
}

void damage_config(FuzzedDataProvider& input, models::ModelConfig& config) {
  const std::array fields{&config.hidden_size,         &config.num_hidden_layers,   &config.intermediate_size,
                          &config.num_attention_heads, &config.num_key_value_heads, &config.head_dim,
                          &config.vocab_size};
  auto& field = *input.PickValueInArray(fields);
  field = odd_number(input, field);
}

void damage_tensor(FuzzedDataProvider& input, Header& header) {
  if (header.tensors.empty()) return;
  const auto at = input.ConsumeIntegralInRange<std::size_t>(0, header.tensors.size() - 1);
  auto& tensor = header.tensors[at];
  const auto odd = [&](auto& number) {
    number =
        static_cast<std::remove_reference_t<decltype(number)>>(odd_number(input, static_cast<std::int64_t>(number)));
  };
  switch (input.ConsumeIntegralInRange(0, 8)) {
    case 0:
      return odd(tensor.offset);
    case 1:
      return odd(tensor.bytes);
    case 2:
      return odd(tensor.file);
    case 3:
      if (!tensor.shape.empty())
        odd(tensor.shape[input.ConsumeIntegralInRange<std::size_t>(0, tensor.shape.size() - 1)]);
      return;
    case 4:
      tensor.shape.push_back(odd_number(input, 1));
      return;
    case 5:
      if (!tensor.shape.empty()) tensor.shape.pop_back();
      return;
    case 6:
      tensor.dtype = io::parse_dtype(input.PickValueInArray(kDtypes));
      return;
    case 7:
      tensor.name = input.PickValueInArray({"lm_head.weight", "model.norm.weight", "", "model.embed_tokens.scales"});
      return;
    default:
      header.tensors.erase(header.tensors.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

nn::Quantization any_quantization(FuzzedDataProvider& input) {
  using enum kernels::QuantizationMode;
  switch (input.ConsumeIntegralInRange(0, 5)) {
    case 0:
      return {4, 32, mxfp4};
    case 1:
      return {8, 32, mxfp8};
    case 2:
      return {4, 16, nvfp4};
    default:
      return {input.PickValueInArray({2, 3, 4, 5, 6, 8}), input.PickValueInArray({32, 64, 128})};
  }
}

Header right_header(FuzzedDataProvider& input, const models::ModelConfig& config, nn::QuantizationTable& table,
                    std::size_t start) {
  Header header{{}, start};
  const std::array dtypes{io::Dtype::f32, io::Dtype::f16, io::Dtype::bf16};
  const auto dtype = input.PickValueInArray(dtypes);
  const auto matrix = [&](const std::string& path, std::int64_t rows, std::int64_t cols) {
    const auto q = any_quantization(input);
    const bool plain = cols % q.group_size != 0 || input.ConsumeProbability<float>() < 0.2f;
    if (!plain) table.layers[path] = q;
    header.matrix(path, rows, cols, q, plain, dtype);
  };
  const bool qwen2 = config.model_type == "qwen2";
  const auto linear = [&](const std::string& path, std::int64_t rows, std::int64_t cols, bool bias) {
    matrix(path, rows, cols);
    if (bias) header.add(path + ".bias", dtype, {rows});
  };
  const auto queries = config.num_attention_heads * config.head_dim;
  const auto keys = config.num_key_value_heads * config.head_dim;
  const std::string layer = "model.layers.0.";
  matrix("model.embed_tokens", config.vocab_size, config.hidden_size);
  header.add(layer + "input_layernorm.weight", dtype, {config.hidden_size});
  header.add(layer + "post_attention_layernorm.weight", dtype, {config.hidden_size});
  linear(layer + "self_attn.q_proj", queries, config.hidden_size, qwen2 || config.attention_bias);
  linear(layer + "self_attn.k_proj", keys, config.hidden_size, qwen2 || config.attention_bias);
  linear(layer + "self_attn.v_proj", keys, config.hidden_size, qwen2 || config.attention_bias);
  linear(layer + "self_attn.o_proj", config.hidden_size, queries, !qwen2 && config.attention_bias);
  linear(layer + "mlp.gate_proj", config.intermediate_size, config.hidden_size, !qwen2 && config.mlp_bias);
  linear(layer + "mlp.up_proj", config.intermediate_size, config.hidden_size, !qwen2 && config.mlp_bias);
  linear(layer + "mlp.down_proj", config.hidden_size, config.intermediate_size, !qwen2 && config.mlp_bias);
  header.add("model.norm.weight", dtype, {config.hidden_size});
  if (!config.tie_word_embeddings) matrix("lm_head", config.vocab_size, config.hidden_size);
  return header;
}

/// The content, again and again: an input is shorter than a model.
std::vector<char> content_of(FuzzedDataProvider& input, std::size_t bytes) {
  auto content = input.ConsumeRemainingBytes<char>();
  // Halves of 0x3c3c are near one: what nothing is said of is a model of ordinary numbers.
  if (content.empty()) content = {0x3c};
  std::vector<char> file(bytes);
  for (std::size_t i = 0; i < bytes; ++i) file[i] = content[i % content.size()];
  return file;
}

void generate(const models::Model& model, const nn::Runtime& runtime, const engine::Sampling& sampling) {
  const auto cache = model.make_cache();
  std::vector<std::int32_t> tokens{0, static_cast<std::int32_t>(model.config().vocab_size - 1), 0};
  for (int turn = 0; turn < 2; ++turn) {
    std::vector<std::int32_t> ids(tokens.begin() + cache->length(), tokens.end());
    const auto count = static_cast<std::int64_t>(ids.size());
    nn::Pass pass(runtime, {{{cache, count}}});
    const auto hidden = model.forward(pass, std::move(ids));
    const auto values = pass.run(model.logits(pass, pass.rows_of(hidden, {static_cast<std::int32_t>(count - 1)})));
    cache->advance(count);
    tokens.push_back(engine::choose(values, tokens, sampling, 2).id);
  }
}

void check_code(const Error& error) {
  for (const auto* code : kCodes) {
    if (error.code() == code) return;
  }
  std::fprintf(stderr, "an error that no file may cause: %s: %s\n", error.code().c_str(), error.what());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const MemoryFile file;
  static const std::atomic<bool> go_on{false};
  static const auto stream = mx::new_stream(mx::Device(mx::Device::cpu));
  FuzzedDataProvider input(data, size);

  const auto isa = input.PickValueInArray(kernels::all_isas);
  kernels::force_isa(kernels::has_isa(isa) ? isa : kernels::best_isa());
  auto config = right_config(input);
  engine::Sampling sampling;
  if (input.ConsumeBool()) {
    sampling.temperature = input.ConsumeFloatingPointInRange<float>(0, 2);
    sampling.top_p = input.ConsumeFloatingPointInRange<float>(0.01f, 1);
    sampling.top_k = input.ConsumeIntegralInRange(0, 8);
    sampling.min_p = input.ConsumeProbability<float>();
    sampling.repetition_penalty = input.ConsumeFloatingPointInRange<float>(0.1f, 10);
  }
  nn::QuantizationTable table;
  auto header = right_header(input, config, table, input.ConsumeIntegralInRange<std::size_t>(0, 15));
  auto file_bytes = static_cast<std::int64_t>(header.bytes);
  for (auto left = input.ConsumeIntegralInRange(0, 3); left > 0; --left) {
    switch (input.ConsumeIntegralInRange(0, 4)) {
      case 0:
        damage_config(input, config);
        break;
      case 1:
        if (!table.layers.empty()) {
          table.layers.begin()->second =
              nn::Quantization{input.ConsumeIntegralInRange(-1, 33), input.ConsumeIntegralInRange(-1, 130)};
        }
        break;
      case 2:
        file_bytes = input.ConsumeIntegralInRange<std::int64_t>(0, file_bytes);
        break;
      default:
        damage_tensor(input, header);
    }
  }
  if (file_bytes > kMostFileBytes) return -1;
  file.fill(content_of(input, static_cast<std::size_t>(file_bytes)));

  const nn::Runtime runtime{.stream = stream,
                            .use_kernels = true,
                            .compute_dtype = mx::float32,
                            .parallel = {&kernels::ThreadPool::shared(), 1},
                            .interrupted = go_on};
  try {
    const io::TensorStore store({{file.path(), static_cast<std::size_t>(file_bytes)}}, header.tensors);
    nn::Weights weights(runtime, store, std::move(table));
    const auto model = models::load_model(config, weights);
    generate(*model, runtime, sampling);
  } catch (const Error& error) {
    check_code(error);
  }
  return 0;
}
