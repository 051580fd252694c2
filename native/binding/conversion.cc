#include "binding/conversion.h"

#include <cstring>
#include <exception>
#include <limits>

#include "binding/arguments.h"
#include "binding/errors.h"
#include "nn/convert_rows.h"

namespace punie::binding {

namespace {

constexpr std::int64_t kMostColumns = std::numeric_limits<std::int32_t>::max();

std::string read_text(const Napi::Object& object, const char* name) {
  const auto value = object.Get(name);
  if (!value.IsString()) throw Error("INVALID_OPTION", std::string(name) + " must be a string.");
  return value.As<Napi::String>().Utf8Value();
}

/// Undefined is empty.
std::span<const std::byte> read_bytes(const Napi::Value& value, const char* name) {
  if (value.IsUndefined()) return {};
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw Error("INVALID_OPTION", std::string(name) + " must be a Uint8Array.");
  }
  const auto array = value.As<Napi::Uint8Array>();
  return {reinterpret_cast<const std::byte*>(array.Data()), array.ByteLength()};
}

std::optional<nn::QuantizationMode> read_mode(const Napi::Value& value, const char* name) {
  if (value.IsUndefined()) return std::nullopt;
  if (!value.IsObject()) throw Error("INVALID_OPTION", std::string(name) + " must be an object.");
  const auto object = value.As<Napi::Object>();
  return nn::QuantizationMode{read_text(object, "mode"), static_cast<int>(to_integer(object.Get("bits"), "bits", 1, 8)),
                              static_cast<int>(to_integer(object.Get("groupSize"), "groupSize", 1, 1 << 16))};
}

nn::RowsToConvert read_rows(const Napi::Object& object) {
  nn::RowsToConvert rows;
  rows.data = read_bytes(object.Get("data"), "data");
  rows.columns = to_integer(object.Get("columns"), "columns", 1, kMostColumns);
  rows.dtype = io::parse_dtype(read_text(object, "dtype"));
  rows.packed = read_mode(object.Get("packed"), "packed");
  rows.scales = read_bytes(object.Get("scales"), "scales");
  rows.biases = read_bytes(object.Get("biases"), "biases");
  rows.add_one = object.Get("addOne").ToBoolean();
  rows.cast = io::parse_dtype(read_text(object, "cast"));
  rows.quantize = read_mode(object.Get("quantize"), "quantize");
  return rows;
}

Napi::Value to_bytes(Napi::Env env, const std::vector<std::byte>& bytes) {
  auto array = Napi::Uint8Array::New(env, bytes.size());
  if (!bytes.empty()) std::memcpy(array.Data(), bytes.data(), bytes.size());
  return array;
}

/// All of a conversion's arrays live and die within `Execute`, on one thread.
class ConversionWorker : public Napi::AsyncWorker {
 public:
  ConversionWorker(Napi::Env env, const Napi::Object& request)
      : Napi::AsyncWorker(env, "punie.convert"),
        deferred_(Napi::Promise::Deferred::New(env)),
        rows_(read_rows(request)),
        request_(Napi::Persistent(request)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    try {
      converted_ = nn::convert_rows(rows_);
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  void OnOK() override {
    const auto env = Env();
    if (failure_) {
      try {
        guarded(env, [&] { std::rethrow_exception(failure_); });
      } catch (const Napi::Error& error) {
        return deferred_.Reject(error.Value());
      }
    }
    auto result = Napi::Object::New(env);
    result.Set("data", to_bytes(env, converted_.data));
    if (!converted_.scales.empty()) result.Set("scales", to_bytes(env, converted_.scales));
    if (!converted_.biases.empty()) result.Set("biases", to_bytes(env, converted_.biases));
    deferred_.Resolve(result);
  }

 private:
  Napi::Promise::Deferred deferred_;
  nn::RowsToConvert rows_;
  /// Keeps the bytes that `rows_` looks at.
  Napi::ObjectReference request_;
  nn::ConvertedRows converted_;
  std::exception_ptr failure_;
};

}  // namespace

Napi::Value convert_rows(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    if (!info[0].IsObject()) throw Error("INVALID_OPTION", "convertRows takes an object.");
    auto* worker = new ConversionWorker(env, info[0].As<Napi::Object>());
    const auto promise = worker->promise();
    worker->Queue();  // deletes itself when done
    return promise;
  });
}

}  // namespace punie::binding
