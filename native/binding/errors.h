#pragma once

#include <napi.h>

#include <string>
#include <type_traits>

#include "error.h"

namespace punie::binding {

/// A JavaScript Error with the property `code`. What throws in C++ reaches JavaScript through here and nowhere else.
inline Napi::Error to_js(Napi::Env env, const std::string& code, const std::string& message) {
  auto error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

/// Runs the body of a method that JavaScript called; its C++ errors become JavaScript ones.
template <typename Body>
auto guarded(Napi::Env env, Body&& body) -> std::invoke_result_t<Body> {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (const Error& e) {
    throw to_js(env, e.code(), e.what());
  } catch (const std::bad_alloc&) {
    throw to_js(env, "OUT_OF_MEMORY", "There is not enough memory.");
  } catch (const std::exception& e) {
    throw to_js(env, "INTERNAL", e.what());
  }
}

}  // namespace punie::binding
