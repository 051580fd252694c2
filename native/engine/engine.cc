#include "engine/engine.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <utility>

#include "engine/process_exit.h"
#include "engine/scheduler.h"
#include "error.h"
#include "io/read_ahead.h"
#include "models/decoder.h"
#include "models/registry.h"
#include "nn/leased_stream.h"
#include "nn/weights.h"

namespace punie::engine {

namespace mx = mlx::core;

namespace {

/// What MLX's own operations compute in: on a GPU what the checkpoint was saved in, on the CPU float32, because
/// half precision is emulated there.
mx::Dtype compute_dtype(const EngineOptions& options, const io::TensorStore& store) {
  if (options.device == Device::cpu) return mx::float32;
  for (const auto root : models::kRoots) {
    const auto* norm = store.find(std::string(root) + ".norm.weight");
    if (norm != nullptr && norm->dtype == io::Dtype::bf16) return mx::bfloat16;
    if (norm != nullptr && norm->dtype == io::Dtype::f16) return mx::float16;
  }
  return mx::float32;
}

/// Memory that was freed to the system: the C library keeps it for later, and there may be no later.
void return_free_memory() {
  mx::clear_cache();
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

/// What was read of a file that could not be read is no reason to blame anything else.
std::unique_ptr<models::Model> load_model(const models::ModelConfig& config, nn::Weights& weights,
                                          const io::TensorStore& store) {
  try {
    auto model = models::load_model(config, weights);
    store.check_files();
    return model;
  } catch (...) {
    store.check_files();
    throw;
  }
}

}  // namespace

Engine::Engine(ModelSpec spec, EngineOptions options, EventSink sink)
    : spec_(std::move(spec)), options_(options), sink_(std::move(sink)), thread_([this] { run(); }) {
  stop_at_exit(this);
}

Engine::~Engine() {
  forget_at_exit(this);
  stop();
  join();
}

void Engine::start(Request request) {
  Sequence sequence;
  sequence.request = std::move(request);
  sequence.arrived = Clock::now();
  const std::lock_guard lock(mutex_);
  inbox_.push_back(std::move(sequence));
  wake_.notify_one();
}

void Engine::cancel(std::int64_t request) {
  const std::lock_guard lock(mutex_);
  cancelled_.push_back(request);
  interrupt_.cancel(request);
  wake_.notify_one();
}

void Engine::load_adapter(AdapterSpec spec) {
  const std::lock_guard lock(mutex_);
  to_load_.push_back(std::move(spec));
  wake_.notify_one();
}

void Engine::unload_adapter(std::int64_t adapter) {
  const std::lock_guard lock(mutex_);
  to_unload_.push_back(adapter);
  wake_.notify_one();
}

void Engine::stop() {
  const std::lock_guard lock(mutex_);
  stop_ = true;
  interrupt_.stop();
  wake_.notify_one();
}

void Engine::release() {
  const std::lock_guard lock(mutex_);
  release_ = true;
  wake_.notify_one();
}

void Engine::join() {
  std::call_once(joined_, [this] { thread_.join(); });
}

void Engine::run() {
  try {
    load_and_serve();
  } catch (...) {
    auto [code, message] = describe(std::current_exception(), "There is not enough memory to load the model.");
    sink_(LoadFailedEvent{std::move(code), std::move(message)});
  }
  return_free_memory();
  sink_(StoppedEvent{});
}

void Engine::load_and_serve() {
  const io::TensorStore store(spec_.files, spec_.tensors);
  const io::ReadAhead read_ahead(store.files());
  const nn::LeasedStream stream(options_.device == Device::gpu ? mx::Device::gpu : mx::Device::cpu);
  nn::Runtime runtime{.stream = stream.get(),
                      .use_kernels = options_.device == Device::cpu && !options_.stock_ops,
                      .compute_dtype = compute_dtype(options_, store),
                      .parallel = {&kernels::ThreadPool::shared(), options_.threads},
                      .interrupted = interrupt_.flag()};
  arm_exit_handler();
  nn::Weights weights(runtime, store, std::move(spec_.quantization));
  const auto model = load_model(spec_.config, weights, store);
  use_.model_bytes = weights.bytes();
  Scheduler scheduler(*model, runtime, interrupt_, store, options_.context_length, options_.prefill_chunk,
                      options_.most_cache_bytes, use_, sink_);
  Adapters adapters(runtime, weights.adaptable());
  sink_(LoadedEvent{});
  serve(scheduler, adapters);
}

/// The model has been told to be ready: an error that nobody has seen to ends the requests, and no more than those.
void Engine::serve(Scheduler& scheduler, Adapters& adapters) noexcept {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (scheduler.idle()) wake_.wait(lock, [&] { return stop_ || has_posts(); });
    }
    try {
      if (!deliver(scheduler, adapters)) break;
      if (!scheduler.idle()) scheduler.step();
      scheduler.measure();
    } catch (...) {
      scheduler.fail_all(std::current_exception());
    }
  }
  scheduler.cancel_all();
}

/// Under the lock.
bool Engine::has_posts() const {
  return release_ || !inbox_.empty() || !cancelled_.empty() || !to_load_.empty() || !to_unload_.empty();
}

/// Hands what has been posted to the scheduler; false when the engine is to stop. Requests come after the adapters that
/// they may name, and before those are let go of.
bool Engine::deliver(Scheduler& scheduler, Adapters& adapters) {
  std::vector<Sequence> arrived;
  std::vector<std::int64_t> cancelled, to_unload;
  std::vector<AdapterSpec> to_load;
  bool stop = false;
  bool release = false;
  {
    const std::lock_guard lock(mutex_);
    release = std::exchange(release_, false);
    arrived.swap(inbox_);
    cancelled.swap(cancelled_);
    to_load.swap(to_load_);
    to_unload.swap(to_unload_);
    stop = stop_;
  }
  if (!stop) {
    for (const auto& spec : to_load) adapters.load(spec, sink_);
  }
  for (auto& sequence : arrived) {
    const auto request = sequence.request.id;
    try {
      if (!stop) sequence.adapter = adapters.find(sequence.request.adapter);
      scheduler.add(std::move(sequence));
    } catch (...) {
      sink_(error_of(request, std::current_exception()));
    }
  }
  for (const auto adapter : to_unload) adapters.unload(adapter);
  if (stop) return false;
  for (const auto request : cancelled) scheduler.cancel(request);
  if (release) {
    scheduler.release();
    return_free_memory();
  }
  return true;
}

}  // namespace punie::engine
