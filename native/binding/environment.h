#pragma once

#include <napi.h>

#include <set>

namespace punie::binding {

class Session;

/// What the addon keeps for one JavaScript environment: the main thread's, or a worker's.
struct Environment {
  /// NativeModel's constructor, which is not exported.
  Napi::FunctionReference native_model;
  /// NativeTokenizer's, likewise.
  Napi::FunctionReference native_tokenizer;
  /// Sessions whose engine has not stopped.
  std::set<Session*> sessions;
};

/// `shutdown()`: stops every engine of this environment and waits for its thread. For the process's `exit` event: Node
/// runs no clean-up hooks in `process.exit()`, and MLX's static state is destroyed while threads may still use it.
Napi::Value shut_down(const Napi::CallbackInfo& info);

}  // namespace punie::binding
