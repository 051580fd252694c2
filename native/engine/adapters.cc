#include "engine/adapters.h"

#include <exception>
#include <utility>

#include "error.h"

namespace punie::engine {

void Adapters::load(const AdapterSpec& spec, const EventSink& sink) {
  try {
    const io::TensorStore store({spec.file}, spec.tensors);
    auto adapter = std::make_shared<const nn::Adapter>(runtime_, layers_, store, spec.layers);
    store.check_files();
    if (!runtime_.interrupted) {
      loaded_[spec.id] = std::move(adapter);
      return sink(AdapterEvent{spec.id, "", ""});
    }
  } catch (...) {
    if (!runtime_.interrupted) {
      auto [code, message] = describe(std::current_exception(), "There is not enough memory to load the adapter.");
      return sink(AdapterEvent{spec.id, std::move(code), std::move(message)});
    }
  }
  // What was computed while the engine was told to stop is worth nothing, nor is what was found wrong with it.
  sink(AdapterEvent{spec.id, "MODEL_DISPOSED", "The model has been disposed of."});
}

std::shared_ptr<const nn::Adapter> Adapters::find(std::int64_t id) const {
  if (id == 0) return nullptr;
  const auto found = loaded_.find(id);
  if (found == loaded_.end()) throw Error("INVALID_OPTION", "The request's adapter is not loaded.");
  return found->second;
}

}  // namespace punie::engine
