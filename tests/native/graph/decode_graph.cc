// How many primitives MLX is given for one token, with its own operations and chains compiled: what a GPU is asked for.
// Prints, for each family and number of layers, `qwen2 2 311`. tests/native/decode-graph.test.ts compares them with
// mlx-lm's. With `--run` it also runs them, compiled and not, which takes a C++ compiler, and fails where they differ.

#include <mlx/graph_utils.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "models/registry.h"
#include "nn/leased_stream.h"
#include "nn/weights.h"

namespace {

using namespace punie;
namespace mx = mlx::core;

// As in scripts/make-graph-golden.py.
constexpr std::int64_t kHidden = 128, kInner = 256, kHeads = 4, kKeyHeads = 2, kHeadDim = 32, kVocabulary = 256;
constexpr std::int64_t kGroup = 64, kBits = 4;

/// A model of made-up weights, four bits in groups of 64, in a file that is removed at the end.
class MadeModel {
 public:
  MadeModel(const std::string& type, std::int64_t layers) : path_("/tmp/punie-graph-" + std::to_string(::getpid())) {
    auto& config = spec.config;
    config.model_type = type;
    config.hidden_size = kHidden;
    config.intermediate_size = kInner;
    config.num_hidden_layers = layers;
    config.num_attention_heads = kHeads;
    config.num_key_value_heads = kKeyHeads;
    config.head_dim = kHeadDim;
    config.vocab_size = kVocabulary;
    config.max_position_embeddings = 512;
    config.rope.dimensions = kHeadDim;
    config.rope.max_position_embeddings = 512;
    config.layer_types.assign(static_cast<std::size_t>(layers), models::LayerType::full_attention);
    config.tie_word_embeddings = true;
    linear("model.embed_tokens", kVocabulary, kHidden, false);
    for (std::int64_t i = 0; i < layers; ++i) {
      const auto layer = "model.layers." + std::to_string(i) + ".";
      const bool bias = type == "qwen2";
      vector(layer + "input_layernorm.weight", kHidden);
      vector(layer + "post_attention_layernorm.weight", kHidden);
      linear(layer + "self_attn.q_proj", kHeads * kHeadDim, kHidden, bias);
      linear(layer + "self_attn.k_proj", kKeyHeads * kHeadDim, kHidden, bias);
      linear(layer + "self_attn.v_proj", kKeyHeads * kHeadDim, kHidden, bias);
      linear(layer + "self_attn.o_proj", kHidden, kHeads * kHeadDim, false);
      if (type == "qwen3") {
        vector(layer + "self_attn.q_norm.weight", kHeadDim);
        vector(layer + "self_attn.k_norm.weight", kHeadDim);
      }
      linear(layer + "mlp.gate_proj", kInner, kHidden, false);
      linear(layer + "mlp.up_proj", kInner, kHidden, false);
      linear(layer + "mlp.down_proj", kHidden, kInner, false);
    }
    vector("model.norm.weight", kHidden);
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(words_.data()), static_cast<std::streamsize>(4 * words_.size()));
    spec.files = {{path_, 4 * words_.size()}};
  }
  ~MadeModel() { ::unlink(path_.c_str()); }
  MadeModel(const MadeModel&) = delete;
  MadeModel& operator=(const MadeModel&) = delete;

  engine::ModelSpec spec;

 private:
  void add(std::string name, io::Dtype dtype, std::vector<std::int64_t> shape) {
    std::size_t count = 1;
    for (const auto side : shape) count *= static_cast<std::size_t>(side);
    spec.tensors.push_back({std::move(name), 0, dtype, std::move(shape), 4 * words_.size(), 4 * count});
    for (std::size_t i = 0; i < count; ++i) {
      const auto number = static_cast<std::uint32_t>(words_.size()) * 2654435761u;
      const auto value = 0.1f * std::sin(static_cast<float>(words_.size()));
      words_.push_back(dtype == io::Dtype::u32 ? number : std::bit_cast<std::uint32_t>(value));
    }
  }
  void vector(const std::string& name, std::int64_t size) { add(name, io::Dtype::f32, {size}); }
  void linear(const std::string& name, std::int64_t out, std::int64_t in, bool bias) {
    add(name + ".weight", io::Dtype::u32, {out, in * kBits / 32});
    add(name + ".scales", io::Dtype::f32, {out, in / kGroup});
    add(name + ".biases", io::Dtype::f32, {out, in / kGroup});
    if (bias) vector(name + ".bias", out);
  }

  std::string path_;
  std::vector<std::uint32_t> words_;
};

std::int64_t primitives_of(const mx::array& result) {
  std::ostringstream dot;
  mx::export_to_dot(dot, result);
  std::int64_t count = 0;
  std::string line;
  for (std::istringstream lines(dot.str()); std::getline(lines, line);) {
    if (line.find("shape=rectangle") != std::string::npos) ++count;
  }
  return count;
}

/// Logits after a prompt of three tokens and one more.
struct Token {
  std::int64_t primitives;
  std::vector<float> logits;
};

Token decode(const MadeModel& made, bool compiled, bool run) {
  const io::TensorStore store(made.spec.files, made.spec.tensors);
  const nn::LeasedStream stream(mx::Device::cpu);
  const std::atomic<bool> interrupted = false;
  nn::Runtime runtime{.stream = stream.get(),
                      .use_kernels = false,
                      .compute_dtype = mx::float32,
                      .parallel = {&kernels::ThreadPool::shared(), 1},
                      .interrupted = interrupted};
  nn::Weights weights(runtime, store, nn::QuantizationTable{});
  const auto model = models::load_model(made.spec.config, weights);
  const auto cache = model->make_cache();
  nn::Pass prompt(runtime, {.segments = {{cache, 3}}});
  prompt.run(model->forward(prompt, std::vector<std::int32_t>{1, 2, 3}));
  cache->advance(3);
  if (compiled) runtime.swiglu = nn::make_compiled_swiglu(stream.get());
  nn::Pass token(runtime, {.segments = {{cache, 1}}});
  const auto logits = model->logits(token, model->forward(token, std::vector<std::int32_t>{4}));
  Token result{primitives_of(logits.array()), {}};
  if (run) {
    const auto values = token.run(logits);
    result.logits.assign(values.begin(), values.end());
  }
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  const bool run = argc > 1 && std::string(argv[1]) == "--run";
  for (const auto* type : {"qwen2", "qwen3"}) {
    for (const std::int64_t layers : {1, 2}) {
      const MadeModel made(type, layers);
      const auto token = decode(made, true, run);
      std::printf("%s %d %d\n", type, static_cast<int>(layers), static_cast<int>(token.primitives));
      if (!run) continue;
      const auto plain = decode(made, false, true);
      float most = 0;
      for (std::size_t i = 0; i < plain.logits.size(); ++i) {
        most = std::max(most, std::abs(plain.logits[i] - token.logits[i]));
      }
      std::printf("compiled and not, the logits, the first of them %g, differ by at most %g\n",
                  static_cast<double>(plain.logits[0]), static_cast<double>(most));
      if (!(most < 1e-4f)) return 1;
    }
  }
}
