#pragma once

#include <atomic>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "engine/adapters.h"
#include "engine/events.h"
#include "engine/interrupt.h"
#include "engine/memory_use.h"
#include "engine/request.h"
#include "engine/sequence.h"
#include "io/tensor_store.h"
#include "models/config.h"
#include "nn/quantization.h"
#include "nn/runtime.h"

namespace punie::engine {

class Scheduler;

enum class Device { cpu, gpu };

/// All that the owner thread needs to load a model.
struct ModelSpec {
  models::ModelConfig config;
  std::vector<io::FileInfo> files;
  std::vector<io::TensorInfo> tensors;
  std::optional<nn::QuantizationTable> quantization;
};

struct EngineOptions {
  Device device = Device::cpu;
  int threads = 1;
  std::int64_t context_length = 4096;
  std::int64_t prefill_chunk = 512;
  /// MLX's own operations on the CPU too.
  bool stock_ops = false;
  /// Of KV caches, all together.
  std::size_t most_cache_bytes = std::numeric_limits<std::size_t>::max();
};

/// One model and its owner thread, which alone loads it, runs it and frees it, because an MLX graph belongs to the
/// thread that made it. Other threads post requests and get events. All methods may be called from any thread.
class Engine {
 public:
  /// Starts the thread; `sink` then gets one LoadedEvent or LoadFailedEvent, each request's events, and at last a
  /// StoppedEvent.
  Engine(ModelSpec spec, EngineOptions options, EventSink sink);
  /// Stops and joins.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void start(Request request);
  void cancel(std::int64_t request);
  /// An AdapterEvent tells when it is there. Requests that name it are started after that.
  void load_adapter(AdapterSpec spec);
  /// Requests that were started before keep it.
  void unload_adapter(std::int64_t adapter);
  /// Frees what is kept for requests to come, soon.
  void release();
  /// Ends all requests as cancelled, then the thread; returns at once.
  void stop();
  /// Waits for the thread, which must have been told to stop or have failed to load.
  void join();
  Memory memory() const { return use_.read(); }

 private:
  void run();
  void load_and_serve();
  void serve(Scheduler& scheduler, Adapters& adapters) noexcept;
  bool has_posts() const;
  bool deliver(Scheduler& scheduler, Adapters& adapters);

  ModelSpec spec_;
  const EngineOptions options_;
  const EventSink sink_;

  Interrupt interrupt_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Sequence> inbox_;          // guarded by mutex_
  std::vector<std::int64_t> cancelled_;  // guarded by mutex_
  std::vector<AdapterSpec> to_load_;     // guarded by mutex_
  std::vector<std::int64_t> to_unload_;  // guarded by mutex_
  bool stop_ = false;                    // guarded by mutex_
  bool release_ = false;                 // guarded by mutex_

  MemoryUse use_;
  std::once_flag joined_;
  std::thread thread_;
};

}  // namespace punie::engine
