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
  } catch (...) {
    const auto [code, message] = describe(std::current_exception(), "There is not enough memory.");
    throw to_js(env, code, message);
  }
}

}  // namespace punie::binding
