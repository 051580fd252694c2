#include "binding/session.h"

#include <utility>

#include "binding/environment.h"
#include "binding/errors.h"
#include "binding/events.h"

namespace punie::binding {

void Session::open(Napi::Env env, engine::ModelSpec spec, engine::EngineOptions options, Napi::Function on_events,
                   Napi::Promise::Deferred loaded, Wrap wrap) {
  std::shared_ptr<Session> session(new Session(spec.config.vocab_size, options.context_length, loaded, wrap));
  session->self_ = session;
  auto context = std::make_unique<std::shared_ptr<Session>>(session);
  const auto name = Napi::String::New(env, "punie.events");
  NAPI_THROW_IF_FAILED_VOID(env, napi_create_threadsafe_function(env, on_events, nullptr, name, 0, 1, nullptr, finalize,
                                                                 context.get(), call_js, &session->wake_));
  context.release();  // `finalize` deletes it
  // Hooks run in reverse: the engine is joined before Node closes the thread-safe function that its thread calls.
  napi_add_env_cleanup_hook(env, at_teardown, session.get());
  env.GetInstanceData<Environment>()->sessions.insert(session.get());
  session->holds_ = 1;  // loading; a new thread-safe function holds the loop
  try {
    session->engine_ = std::make_unique<engine::Engine>(
        std::move(spec), options, [raw = session.get()](engine::Event event) { raw->push(std::move(event)); });
  } catch (...) {
    session->stopped(env);
    throw;
  }
}

Session::~Session() = default;

void Session::check_open() const {
  if (disposed_) throw Error("MODEL_DISPOSED", "The model has been disposed of.");
}

void Session::start(Napi::Env env, engine::Request request) {
  check_open();
  hold(env);
  engine_->start(std::move(request));
}

void Session::cancel(std::int64_t request) {
  if (!disposed_) engine_->cancel(request);
}

void Session::load_adapter(Napi::Env env, engine::AdapterSpec spec, Napi::Promise::Deferred loaded) {
  check_open();
  const auto id = spec.id;
  if (!adapters_.emplace(id, loaded).second) throw Error("INVALID_OPTION", "This adapter is being loaded already.");
  hold(env);
  engine_->load_adapter(std::move(spec));
}

void Session::unload_adapter(std::int64_t adapter) {
  if (!disposed_) engine_->unload_adapter(adapter);
}

Napi::Promise Session::dispose(Napi::Env env) {
  auto deferred = Napi::Promise::Deferred::New(env);
  if (ended_) {
    deferred.Resolve(env.Undefined());
    return deferred.Promise();
  }
  disposals_.push_back(deferred);
  if (!disposed_) {
    disposed_ = true;
    hold(env);
    engine_->stop();
  }
  return deferred.Promise();
}

void Session::abandon() {
  if (disposed_ || ended_) return;
  disposed_ = true;
  engine_->stop();
}

engine::Memory Session::memory() const { return engine_ ? engine_->memory() : engine::Memory{}; }

void Session::release_caches() {
  if (!disposed_) engine_->release();
}

/// On the owner thread.
void Session::push(engine::Event event) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(event));
  if (woken_) return;
  // Refused only while the environment closes, and then nobody reads the queue any more.
  woken_ = napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking) == napi_ok;
}

void Session::drain(Napi::Env env, Napi::Function on_events) {
  std::vector<engine::Event> events;
  {
    const std::lock_guard lock(mutex_);
    events.swap(queue_);
    woken_ = false;
  }
  auto batch = Napi::Array::New(env);
  for (const auto& event : events) {
    if (const auto object = to_js(env, event)) batch.Set(batch.Length(), *object);
    if (std::holds_alternative<engine::FinishEvent>(event) || std::holds_alternative<engine::ErrorEvent>(event)) {
      release(env);
    }
  }
  tell_memory(env);
  if (batch.Length() > 0) on_events.Call({batch});
  for (const auto& event : events) settle(env, event);
}

/// What an event means for the promises of loading and disposal.
void Session::settle(Napi::Env env, const engine::Event& event) {
  if (std::holds_alternative<engine::LoadedEvent>(event)) {
    release(env);
    loaded_.Resolve(wrap_(env, self_.lock()));
  } else if (const auto* failed = std::get_if<engine::LoadFailedEvent>(&event)) {
    disposed_ = true;
    loaded_.Reject(to_js(env, failed->code, failed->message).Value());
  } else if (const auto* adapter = std::get_if<engine::AdapterEvent>(&event)) {
    settle_adapter(env, *adapter);
  } else if (std::holds_alternative<engine::StoppedEvent>(event)) {
    stopped(env);
  }
}

void Session::settle_adapter(Napi::Env env, const engine::AdapterEvent& event) {
  const auto waiting = adapters_.extract(event.adapter);
  release(env);
  if (event.code.empty()) {
    waiting.mapped().Resolve(env.Undefined());
  } else {
    waiting.mapped().Reject(to_js(env, event.code, event.message).Value());
  }
}

/// In a thread that is being terminated whatever calls JavaScript throws: that comes last.
void Session::stopped(Napi::Env env) {
  engine_.reset();
  ended_ = true;
  napi_remove_env_cleanup_hook(env, at_teardown, this);
  env.GetInstanceData<Environment>()->sessions.erase(this);
  napi_release_threadsafe_function(wake_, napi_tsfn_release);
  tell_memory(env);
  for (const auto& [id, deferred] : std::exchange(adapters_, {})) {
    deferred.Reject(to_js(env, "MODEL_DISPOSED", "The model has been disposed of.").Value());
  }
  for (const auto& deferred : std::exchange(disposals_, {})) deferred.Resolve(env.Undefined());
}

/// What a forgotten model holds is seen by the garbage collector only as far as it is told.
void Session::tell_memory(Napi::Env env) {
  const auto bytes = static_cast<std::int64_t>(memory().private_bytes);
  if (bytes == told_bytes_) return;
  std::int64_t total = 0;
  napi_adjust_external_memory(env, bytes - std::exchange(told_bytes_, bytes), &total);
}

void Session::hold(Napi::Env env) {
  if (holds_++ == 0) napi_ref_threadsafe_function(env, wake_);
}

void Session::release(Napi::Env env) {
  if (--holds_ == 0) napi_unref_threadsafe_function(env, wake_);
}

void Session::call_js(napi_env env, napi_value callback, void* context, void*) {
  if (env == nullptr || callback == nullptr) return;  // the environment is closing
  const auto session = *static_cast<std::shared_ptr<Session>*>(context);
  try {
    session->drain(env, Napi::Function(env, callback));
  } catch (const Napi::Error& error) {
    napi_fatal_exception(env, error.Value());
  }
}

void Session::finalize(napi_env, void*, void* context) { delete static_cast<std::shared_ptr<Session>*>(context); }

void Session::shut_down() {
  disposed_ = true;
  engine_->stop();
  engine_->join();
}

void Session::at_teardown(void* session) { static_cast<Session*>(session)->shut_down(); }

}  // namespace punie::binding
