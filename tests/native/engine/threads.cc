// The engine from many threads at once, for ThreadSanitizer: `npm run test:tsan`. Models load, answer, are cancelled
// and stopped while others do the same, over the pool that they share.

#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"

namespace {

using namespace punie;

constexpr int kModels = 3;
constexpr int kRounds = 4;
constexpr int kCallers = 3;
constexpr int kRequestsOfCaller = 4;

void require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "FAIL  %s\n", promise);
  std::exit(1);
}

/// A llama of one layer in float32, in a file that is removed at the end.
class SmallModel {
 public:
  SmallModel() : path_("/tmp/punie-threads-" + std::to_string(::getpid())) {
    constexpr std::int64_t kHidden = 64;
    constexpr std::int64_t kInner = 128;
    auto& config = spec_.config;
    config.model_type = "llama";
    config.hidden_size = kHidden;
    config.intermediate_size = kInner;
    config.num_hidden_layers = 1;
    config.num_attention_heads = 4;
    config.num_key_value_heads = 2;
    config.head_dim = 16;
    config.vocab_size = 96;
    config.max_position_embeddings = 256;
    config.rope.dimensions = 16;
    config.rope.max_position_embeddings = 256;
    config.layer_types = {models::LayerType::full_attention};
    config.tie_word_embeddings = true;
    const std::string layer = "model.layers.0.";
    add("model.embed_tokens.weight", {config.vocab_size, kHidden});
    add(layer + "input_layernorm.weight", {kHidden});
    add(layer + "post_attention_layernorm.weight", {kHidden});
    add(layer + "self_attn.q_proj.weight", {kHidden, kHidden});
    add(layer + "self_attn.k_proj.weight", {kHidden / 2, kHidden});
    add(layer + "self_attn.v_proj.weight", {kHidden / 2, kHidden});
    add(layer + "self_attn.o_proj.weight", {kHidden, kHidden});
    add(layer + "mlp.gate_proj.weight", {kInner, kHidden});
    add(layer + "mlp.up_proj.weight", {kInner, kHidden});
    add(layer + "mlp.down_proj.weight", {kHidden, kInner});
    add("model.norm.weight", {kHidden});
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(values_.data()), static_cast<std::streamsize>(values_.size() * 4));
    spec_.files = {{path_, values_.size() * 4}};
  }
  ~SmallModel() { ::unlink(path_.c_str()); }
  SmallModel(const SmallModel&) = delete;
  SmallModel& operator=(const SmallModel&) = delete;

  const engine::ModelSpec& spec() const { return spec_; }

 private:
  void add(std::string name, std::vector<std::int64_t> shape) {
    std::size_t count = 1;
    for (const auto size : shape) count *= static_cast<std::size_t>(size);
    spec_.tensors.push_back({std::move(name), 0, io::Dtype::f32, std::move(shape), values_.size() * 4, count * 4});
    for (std::size_t i = 0; i < count; ++i) {
      values_.push_back(std::sin(static_cast<float>(values_.size()) * 0.7f) * 0.5f);
    }
  }

  std::string path_;
  std::vector<float> values_;
  engine::ModelSpec spec_;
};

/// What a model has told, from its owner thread to those that wait.
class Told {
 public:
  void take(engine::Event event) {
    if (const auto* failed = std::get_if<engine::LoadFailedEvent>(&event)) require(false, failed->message.c_str());
    const std::lock_guard lock(mutex_);
    if (const auto* finish = std::get_if<engine::FinishEvent>(&event)) ended_[finish->request] = true;
    if (const auto* error = std::get_if<engine::ErrorEvent>(&event)) ended_[error->request] = false;
    if (std::holds_alternative<engine::LoadedEvent>(event)) loaded_ = true;
    changed_.notify_all();
  }
  void wait_loaded() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return loaded_; });
  }
  bool wait_ended(std::int64_t request) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_.contains(request); });
    return ended_[request];
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool loaded_ = false;
  std::map<std::int64_t, bool> ended_;
};

engine::Request request_of(std::int64_t id) {
  engine::Request request;
  request.id = id;
  request.prompt = {1, 2, static_cast<std::int32_t>(id % 90), 4, 5};
  request.max_tokens = 12;
  request.sampling.temperature = id % 2 == 0 ? 0.0f : 0.8f;
  request.sampling.seed = static_cast<std::uint64_t>(id);
  request.logprobs = 1;
  return request;
}

/// Requests from several threads, every third of them cancelled, on one model.
void use(engine::Engine& engine, Told& told) {
  std::vector<std::thread> callers;
  for (int caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      for (int i = 0; i < kRequestsOfCaller; ++i) {
        const std::int64_t id = caller * 100 + i;
        engine.start(request_of(id));
        if (i % 3 == 2) engine.cancel(id);
        engine.memory();
        require(told.wait_ended(id), "a request ends without an error");
      }
    });
  }
  for (auto& caller : callers) caller.join();
}

void load_use_and_stop(const SmallModel& model, int round, bool stock_ops) {
  Told told;
  engine::EngineOptions options;
  options.threads = 2;
  options.context_length = 128;
  options.prefill_chunk = 2;
  options.stock_ops = stock_ops;
  engine::Engine engine(model.spec(), options, [&](engine::Event event) { told.take(std::move(event)); });
  if (round % 4 == 3) return;  // destroyed while it loads
  told.wait_loaded();
  use(engine, told);
  engine.start(request_of(1000));  // in flight when it is stopped
  engine.stop();
}

}  // namespace

int main() {
  const SmallModel model;
  std::vector<std::thread> models;
  for (int i = 0; i < kModels; ++i) {
    models.emplace_back([&, i] {
      for (int round = 0; round < kRounds; ++round) load_use_and_stop(model, round, i == 0);
    });
  }
  for (auto& thread : models) thread.join();
  std::printf("ok    %d models at once, %d times each, with %d threads of callers\n", kModels, kRounds, kCallers);
  return 0;
}
