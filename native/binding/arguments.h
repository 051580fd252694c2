#pragma once

#include <napi.h>

#include <algorithm>

#include "engine/engine.h"
#include "engine/request.h"

namespace punie::binding {

/// Readers of the shapes of src/native/binding-types.ts. Each checks types and ranges again, whatever TypeScript has
/// checked, and throws INVALID_OPTION naming the field.
engine::ModelSpec read_model_spec(const Napi::Object& spec);
engine::EngineOptions read_engine_options(const Napi::Object& options);
/// `vocabulary`: ids in the request lie below it.
engine::Request read_request(const Napi::Object& request, std::int64_t vocabulary, std::int64_t context_length);

engine::AdapterSpec read_adapter_spec(const Napi::Object& spec);

/// A property that must be a function.
Napi::Function read_function(const Napi::Object& object, const char* name);
std::int64_t to_integer(const Napi::Value& value, const char* name, std::int64_t least, std::int64_t most);

/// What to reserve for an array's elements. A script's array may claim four billion of them and hold none.
inline std::size_t room_for(const Napi::Array& array) {
  return std::min<std::size_t>(array.Length(), std::size_t{1} << 16);
}

}  // namespace punie::binding
