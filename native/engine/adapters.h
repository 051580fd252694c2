#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "engine/events.h"
#include "io/tensor_store.h"
#include "nn/adapter.h"
#include "nn/runtime.h"

namespace punie::engine {

/// All that the owner thread needs to load an adapter.
struct AdapterSpec {
  /// Chosen by the caller, above 0 and never used twice.
  std::int64_t id = 0;
  io::FileInfo file;
  std::vector<io::TensorInfo> tensors;
  std::vector<nn::AdapterLayer> layers;
};

/// The adapters of one model that requests may name. Lives on the owner thread.
class Adapters {
 public:
  /// `layers`: the model's; outlive this.
  Adapters(const nn::Runtime& runtime, const std::vector<nn::AdaptableLayer>& layers)
      : runtime_(runtime), layers_(layers) {}

  /// Tells how it went.
  void load(const AdapterSpec& spec, const EventSink& sink);
  /// Requests that run with it go on.
  void unload(std::int64_t id) { loaded_.erase(id); }
  /// Null for 0. Throws INVALID_OPTION for one that is not loaded.
  std::shared_ptr<const nn::Adapter> find(std::int64_t id) const;

 private:
  const nn::Runtime& runtime_;
  const std::vector<nn::AdaptableLayer>& layers_;
  std::unordered_map<std::int64_t, std::shared_ptr<const nn::Adapter>> loaded_;
};

}  // namespace punie::engine
