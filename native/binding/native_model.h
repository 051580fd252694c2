#pragma once

#include <napi.h>

#include <memory>

#include "binding/session.h"

namespace punie::binding {

/// `NativeModel` of src/native/binding-types.ts.
class NativeModel : public Napi::ObjectWrap<NativeModel> {
 public:
  /// Defines the class; `Environment` keeps the constructor.
  static Napi::FunctionReference define(Napi::Env env);
  /// `loadModel(spec, options)`.
  static Napi::Value load(const Napi::CallbackInfo& info);

  explicit NativeModel(const Napi::CallbackInfo& info);
  ~NativeModel() override;

 private:
  void start(const Napi::CallbackInfo& info);
  void cancel(const Napi::CallbackInfo& info);
  Napi::Value load_adapter(const Napi::CallbackInfo& info);
  void unload_adapter(const Napi::CallbackInfo& info);
  void release_caches(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  std::shared_ptr<Session> session_;
};

}  // namespace punie::binding
