#pragma once

#include <napi.h>

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "engine/engine.h"

namespace punie::binding {

/// One engine and the way of its events to JavaScript.
///
/// The owner thread appends to a queue and wakes the JavaScript thread once; that takes all there is in one batch, so
/// events go in bigger batches when it falls behind. Made, used and destroyed on the JavaScript thread; the
/// thread-safe function keeps it alive until the engine has stopped. The event loop is held open while a model
/// loads, a request runs or a disposal is under way, and not otherwise.
class Session {
 public:
  /// Starts the engine. The promise of `loaded` is settled with `wrap(session)` or the error.
  using Wrap = Napi::Object (*)(Napi::Env, std::shared_ptr<Session>);
  static void open(Napi::Env env, engine::ModelSpec spec, engine::EngineOptions options, Napi::Function on_events,
                   Napi::Promise::Deferred loaded, Wrap wrap);
  ~Session();

  /// Throws MODEL_DISPOSED once `dispose` was called.
  void check_open() const;
  void start(Napi::Env env, engine::Request request);
  void cancel(std::int64_t request);
  /// Settles `loaded` once the adapter is there, or can't be loaded, or the model is disposed of.
  void load_adapter(Napi::Env env, engine::AdapterSpec spec, Napi::Promise::Deferred loaded);
  void unload_adapter(std::int64_t adapter);
  Napi::Promise dispose(Napi::Env env);
  /// Stops the engine and waits for its thread: the environment or the process is ending.
  void shut_down();
  /// What a forgotten model gets from the garbage collector: stops without telling anybody.
  void abandon();

  engine::Memory memory() const;
  /// See Engine::release.
  void release_caches();
  std::int64_t vocabulary() const { return vocabulary_; }
  std::int64_t context_length() const { return context_length_; }

 private:
  Session(std::int64_t vocabulary, std::int64_t context_length, Napi::Promise::Deferred loaded, Wrap wrap)
      : vocabulary_(vocabulary), context_length_(context_length), loaded_(loaded), wrap_(wrap) {}

  void push(engine::Event event);
  void drain(Napi::Env env, Napi::Function on_events);
  void settle(Napi::Env env, const engine::Event& event);
  void settle_adapter(Napi::Env env, const engine::AdapterEvent& event);
  void stopped(Napi::Env env);
  void tell_memory(Napi::Env env);
  void hold(Napi::Env env);
  void release(Napi::Env env);

  static void call_js(napi_env env, napi_value callback, void* context, void* data);
  static void finalize(napi_env env, void* data, void* context);
  static void at_teardown(void* session);

  const std::int64_t vocabulary_;
  const std::int64_t context_length_;
  std::unique_ptr<engine::Engine> engine_;
  napi_threadsafe_function wake_ = nullptr;
  std::weak_ptr<Session> self_;
  Napi::Promise::Deferred loaded_;
  Wrap wrap_;
  std::vector<Napi::Promise::Deferred> disposals_;
  std::unordered_map<std::int64_t, Napi::Promise::Deferred> adapters_;  // being loaded
  bool disposed_ = false;
  bool ended_ = false;
  int holds_ = 0;
  std::int64_t told_bytes_ = 0;  // of memory, to the garbage collector

  std::mutex mutex_;
  std::vector<engine::Event> queue_;  // guarded by mutex_
  bool woken_ = false;                // guarded by mutex_
};

}  // namespace punie::binding
