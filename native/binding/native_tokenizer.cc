#include "binding/native_tokenizer.h"

#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "binding/arguments.h"
#include "binding/environment.h"
#include "binding/errors.h"
#include "tokenizer/load_tokenizer.h"
#include "tokenizer/unserved.h"

namespace punie::binding {

namespace {

using tokenizer::Piece;
using tokenizer::Text;
using tokenizer::Tokenizer;
using tokenizer::TokenTable;

/// Bytes of a text that is encoded at once, in less than a millisecond; longer ones are left to another thread.
constexpr std::size_t kShortText = 4096;

template <typename Array, typename Container>
Array to_array(Napi::Env env, const Container& values) {
  auto array = Array::New(env, values.size());
  if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(values[0]));
  return array;
}

/// Off the event loop; no MLX in it, so any thread will do.
class LoadWorker : public Napi::AsyncWorker {
 public:
  LoadWorker(Napi::Env env, std::string directory)
      : Napi::AsyncWorker(env, "punie.tokenizer.load"),
        deferred_(Napi::Promise::Deferred::New(env)),
        directory_(std::move(directory)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    try {
      tokenizer_ = tokenizer::load_tokenizer(directory_, table_);
    } catch (const tokenizer::Unserved& unserved) {
      unserved_ = unserved.what();
    }
  }

  void OnOK() override {
    const auto env = Env();
    auto result = Napi::Object::New(env);
    result.Set("served", !unserved_.has_value());
    if (unserved_) {
      result.Set("reason", *unserved_);
      return deferred_.Resolve(result);
    }
    auto special = Napi::Array::New(env);
    for (const auto id : tokenizer_->special_ids()) special.Set(special.Length(), id);
    result.Set("bytes", to_array<Napi::Uint8Array>(env, table_.bytes));
    result.Set("offsets", to_array<Napi::Uint32Array>(env, table_.offsets));
    result.Set("flags", to_array<Napi::Uint8Array>(env, table_.flags));
    result.Set("specialTokenIds", special);
    result.Set("nfc", tokenizer_->nfc());
    auto state = std::make_shared<TokenizerState>();
    state->tokenizer = std::move(tokenizer_);
    result.Set("tokenizer", env.GetInstanceData<Environment>()->native_tokenizer.New(
                                {Napi::External<std::shared_ptr<TokenizerState>>::New(env, &state)}));
    deferred_.Resolve(result);
  }

  void OnError(const Napi::Error& error) override {
    deferred_.Reject(to_js(Env(), "OUT_OF_MEMORY", error.Message()).Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  std::string directory_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  TokenTable table_;
  std::optional<std::string> unserved_;
};

class EncodeWorker : public Napi::AsyncWorker {
 public:
  EncodeWorker(Napi::Env env, std::shared_ptr<TokenizerState> state, Text text, Tokenizer::Options options)
      : Napi::AsyncWorker(env, "punie.tokenizer.encode"),
        deferred_(Napi::Promise::Deferred::New(env)),
        state_(std::move(state)),
        text_(std::move(text)),
        options_(options) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    try {
      ids_ = state_->tokenizer->encode(text_, options_, state_->stop);
    } catch (const Error& error) {
      error_ = error;
    }
  }

  void OnOK() override {
    if (state_->stop) {
      deferred_.Reject(to_js(Env(), "MODEL_DISPOSED", "The tokenizer was closed while in use.").Value());
    } else if (error_) {
      deferred_.Reject(to_js(Env(), error_->code(), error_->what()).Value());
    } else {
      deferred_.Resolve(to_array<Napi::Uint32Array>(Env(), ids_));
    }
  }

  void OnError(const Napi::Error& error) override {
    deferred_.Reject(to_js(Env(), "OUT_OF_MEMORY", error.Message()).Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<TokenizerState> state_;
  Text text_;
  Tokenizer::Options options_;
  std::vector<std::uint32_t> ids_;
  std::optional<Error> error_;
};

std::string read_text(const Napi::Value& value, const char* name) {
  if (!value.IsString()) throw Error("INVALID_OPTION", std::string(name) + " must be a string.");
  return value.As<Napi::String>().Utf8Value();
}

std::vector<Piece> read_pieces(const Napi::Array& array) {
  std::vector<Piece> pieces;
  pieces.reserve(room_for(array));
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value value = array.Get(i);
    if (value.IsString()) {
      pieces.emplace_back(read_text(value, "text"));
    } else {
      pieces.emplace_back(static_cast<std::uint32_t>(to_integer(value, "text", 0, ~std::uint32_t{0})));
    }
  }
  return pieces;
}

Text read_encoded_text(const Napi::Value& value) {
  if (value.IsArray()) return read_pieces(value.As<Napi::Array>());
  return read_text(value, "text");
}

std::size_t bytes_of(const Text& text) {
  if (const auto* whole = std::get_if<std::string>(&text)) return whole->size();
  std::size_t bytes = 0;
  for (const auto& piece : std::get<std::vector<Piece>>(text)) {
    const auto* part = std::get_if<std::string>(&piece);
    bytes += part != nullptr ? part->size() : 1;
  }
  return bytes;
}

}  // namespace

Napi::FunctionReference NativeTokenizer::define(Napi::Env env) {
  return Napi::Persistent(DefineClass(env, "NativeTokenizer",
                                      {
                                          InstanceMethod<&NativeTokenizer::split>("split"),
                                          InstanceMethod<&NativeTokenizer::encode>("encode"),
                                          InstanceMethod<&NativeTokenizer::dispose>("dispose"),
                                      }));
}

Napi::Value NativeTokenizer::load(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto* worker = new LoadWorker(env, read_text(info[0], "directory"));
    const auto promise = worker->promise();
    worker->Queue();  // deletes itself when done
    return promise;
  });
}

NativeTokenizer::NativeTokenizer(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeTokenizer>(info) {
  guarded(info.Env(), [&] {
    // JavaScript reaches this by an object's `constructor`, and has no External to give.
    if (!info[0].IsExternal()) throw Error("INVALID_OPTION", "A tokenizer is made by loadTokenizer.");
    state_ = *info[0].As<Napi::External<std::shared_ptr<TokenizerState>>>().Data();
  });
}

NativeTokenizer::~NativeTokenizer() { close(); }

void NativeTokenizer::close() {
  if (state_) state_->stop = true;
  state_.reset();
}

void NativeTokenizer::check_open() const {
  if (!state_) throw Error("MODEL_DISPOSED", "The tokenizer was used after it was closed.");
}

Napi::Value NativeTokenizer::split(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    check_open();
    auto pieces = Napi::Array::New(env);
    for (const auto& piece : state_->tokenizer->split(read_text(info[0], "text"))) {
      const auto at = pieces.Length();
      std::visit([&](const auto& value) { pieces.Set(at, value); }, piece);
    }
    return pieces;
  });
}

Napi::Value NativeTokenizer::encode(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto text = read_encoded_text(info[0]);
    const Tokenizer::Options options{info[1].ToBoolean(), info[2].ToBoolean()};
    // Last: a getter that was read may have disposed of this.
    check_open();
    if (bytes_of(text) <= kShortText) {
      return to_array<Napi::Uint32Array>(env, state_->tokenizer->encode(text, options, state_->stop));
    }
    auto* worker = new EncodeWorker(env, state_, std::move(text), options);
    const auto promise = worker->promise();
    worker->Queue();  // deletes itself when done
    return promise;
  });
}

void NativeTokenizer::dispose(const Napi::CallbackInfo&) { close(); }

}  // namespace punie::binding
