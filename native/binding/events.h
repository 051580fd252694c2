#pragma once

#include <napi.h>

#include "engine/events.h"

namespace punie::binding {

/// A request's event as a `NativeEvent` of src/native/binding-types.ts; nullopt for what concerns the model itself.
std::optional<Napi::Object> to_js(Napi::Env env, const engine::Event& event);

}  // namespace punie::binding
