#pragma once

#include <napi.h>

#include <atomic>
#include <memory>

#include "tokenizer/tokenizer.h"

namespace punie::binding {

/// What requests in flight share with the object that JavaScript holds.
struct TokenizerState {
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer;
  /// Set when the object is closed: what is still encoded is for nobody.
  std::atomic<bool> stop = false;
};

/// `NativeTokenizer` of src/native/binding-types.ts.
class NativeTokenizer : public Napi::ObjectWrap<NativeTokenizer> {
 public:
  /// Defines the class; `Environment` keeps the constructor.
  static Napi::FunctionReference define(Napi::Env env);
  /// `loadTokenizer(directory)`.
  static Napi::Value load(const Napi::CallbackInfo& info);

  explicit NativeTokenizer(const Napi::CallbackInfo& info);
  ~NativeTokenizer() override;

 private:
  Napi::Value split(const Napi::CallbackInfo& info);
  Napi::Value encode(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  void check_open() const;
  void close();

  /// Null once disposed.
  std::shared_ptr<TokenizerState> state_;
};

}  // namespace punie::binding
