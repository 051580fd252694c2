#include "engine/adapters.h"

#include <new>

#include "error.h"

namespace punie::engine {

void Adapters::load(const AdapterSpec& spec, const EventSink& sink) {
  try {
    const io::TensorStore store({spec.file}, spec.tensors);
    auto adapter = std::make_shared<const nn::Adapter>(runtime_, layers_, store, spec.layers);
    store.check_files();
    // What was computed while the engine was told to stop is worth nothing.
    if (runtime_.interrupted) throw Error("MODEL_DISPOSED", "The model has been disposed of.");
    loaded_[spec.id] = std::move(adapter);
    sink(AdapterEvent{spec.id, "", ""});
  } catch (const Error& e) {
    sink(AdapterEvent{spec.id, e.code(), e.what()});
  } catch (const std::bad_alloc&) {
    sink(AdapterEvent{spec.id, "OUT_OF_MEMORY", "There is not enough memory to load the adapter."});
  } catch (const std::exception& e) {
    sink(AdapterEvent{spec.id, "INTERNAL", e.what()});
  }
}

std::shared_ptr<const nn::Adapter> Adapters::find(std::int64_t id) const {
  if (id == 0) return nullptr;
  const auto found = loaded_.find(id);
  if (found == loaded_.end()) throw Error("INVALID_OPTION", "The request's adapter is not loaded.");
  return found->second;
}

}  // namespace punie::engine
