#include "binding/native_model.h"

#include <sys/resource.h>

#include "binding/arguments.h"
#include "binding/environment.h"
#include "binding/errors.h"

namespace punie::binding {

namespace {

/// Largest resident size of the process, in bytes.
double peak_bytes() {
  struct rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return static_cast<double>(usage.ru_maxrss);
#else
  return static_cast<double>(usage.ru_maxrss) * 1024;
#endif
}

Napi::Object wrap(Napi::Env env, std::shared_ptr<Session> session) {
  return env.GetInstanceData<Environment>()->native_model.New(
      {Napi::External<std::shared_ptr<Session>>::New(env, &session)});
}

}  // namespace

Napi::FunctionReference NativeModel::define(Napi::Env env) {
  return Napi::Persistent(DefineClass(env, "NativeModel",
                                      {
                                          InstanceMethod<&NativeModel::start>("start"),
                                          InstanceMethod<&NativeModel::cancel>("cancel"),
                                          InstanceMethod<&NativeModel::load_adapter>("loadAdapter"),
                                          InstanceMethod<&NativeModel::unload_adapter>("unloadAdapter"),
                                          InstanceMethod<&NativeModel::release_caches>("releaseCaches"),
                                          InstanceMethod<&NativeModel::memory>("memory"),
                                          InstanceMethod<&NativeModel::dispose>("dispose"),
                                      }));
}

Napi::Value NativeModel::load(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  auto deferred = Napi::Promise::Deferred::New(env);
  try {
    guarded(env, [&] {
      if (!info[0].IsObject() || !info[1].IsObject()) {
        throw Error("INVALID_OPTION", "loadModel takes a specification and options.");
      }
      const auto options = info[1].As<Napi::Object>();
      Session::open(env, read_model_spec(info[0].As<Napi::Object>()), read_engine_options(options),
                    read_function(options, "onEvents"), deferred, wrap);
    });
  } catch (const Napi::Error& error) {
    deferred.Reject(error.Value());
  }
  return deferred.Promise();
}

NativeModel::NativeModel(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeModel>(info) {
  guarded(info.Env(), [&] {
    // JavaScript reaches this by an object's `constructor`, and has no External to give.
    if (!info[0].IsExternal()) throw Error("INVALID_OPTION", "A model is made by loadModel.");
    session_ = *info[0].As<Napi::External<std::shared_ptr<Session>>>().Data();
  });
}

NativeModel::~NativeModel() {
  if (session_) session_->abandon();
}

void NativeModel::start(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    session_->check_open();
    if (!info[0].IsObject()) throw Error("INVALID_OPTION", "start takes a request.");
    session_->start(info.Env(),
                    read_request(info[0].As<Napi::Object>(), session_->vocabulary(), session_->context_length()));
  });
}

void NativeModel::cancel(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] { session_->cancel(to_integer(info[0], "id", 0, std::int64_t{1} << 53)); });
}

Napi::Value NativeModel::load_adapter(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  auto deferred = Napi::Promise::Deferred::New(env);
  try {
    guarded(env, [&] {
      if (!info[0].IsObject()) throw Error("INVALID_OPTION", "loadAdapter takes a specification.");
      session_->load_adapter(env, read_adapter_spec(info[0].As<Napi::Object>()), deferred);
    });
  } catch (const Napi::Error& error) {
    deferred.Reject(error.Value());
  }
  return deferred.Promise();
}

void NativeModel::unload_adapter(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] { session_->unload_adapter(to_integer(info[0], "id", 1, std::int64_t{1} << 53)); });
}

void NativeModel::release_caches(const Napi::CallbackInfo&) { session_->release_caches(); }

Napi::Value NativeModel::memory(const Napi::CallbackInfo& info) {
  const auto memory = session_->memory();
  auto object = Napi::Object::New(info.Env());
  object.Set("modelBytes", static_cast<double>(memory.model_bytes));
  object.Set("cacheBytes", static_cast<double>(memory.cache_bytes));
  object.Set("workBytes", static_cast<double>(memory.work_bytes));
  object.Set("peakBytes", peak_bytes());
  return object;
}

Napi::Value NativeModel::dispose(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value { return session_->dispose(info.Env()); });
}

}  // namespace punie::binding
