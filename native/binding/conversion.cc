#include "binding/conversion.h"

#include <cstring>
#include <exception>
#include <functional>
#include <limits>
#include <utility>

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

kernels::GgmlType read_ggml_type(const Napi::Value& value) {
  if (value.IsString()) {
    if (const auto type = kernels::parse_ggml_type(value.As<Napi::String>().Utf8Value())) return *type;
  }
  throw Error("INVALID_OPTION", "ggml must be a quantized type of GGUF files.");
}

nn::LowRankChange read_adapter(const Napi::Object& object) {
  nn::LowRankChange change;
  change.a = read_bytes(object.Get("a"), "a");
  change.a_dtype = io::parse_dtype(read_text(object, "aDtype"));
  change.b = read_bytes(object.Get("b"), "b");
  change.b_dtype = io::parse_dtype(read_text(object, "bDtype"));
  if (const auto magnitude = object.Get("magnitude"); !magnitude.IsUndefined()) {
    change.magnitude = read_bytes(magnitude, "magnitude");
    change.magnitude_dtype = io::parse_dtype(read_text(object, "magnitudeDtype"));
  }
  change.rank = to_integer(object.Get("rank"), "rank", 1, kMostColumns);
  change.outputs = to_integer(object.Get("outputs"), "outputs", 1, kMostColumns);
  change.scale = object.Get("scale").ToNumber().FloatValue();
  change.transposed = object.Get("transposed").ToBoolean();
  if (const auto experts = object.Get("experts"); !experts.IsUndefined()) {
    change.experts = to_integer(experts, "experts", 1, kMostColumns);
  }
  change.first_row = to_integer(object.Get("firstRow"), "firstRow", 0, kMostColumns);
  return change;
}

nn::RowsToConvert read_rows(const Napi::Object& object) {
  nn::RowsToConvert rows;
  rows.data = read_bytes(object.Get("data"), "data");
  rows.columns = to_integer(object.Get("columns"), "columns", 1, kMostColumns);
  rows.dtype = io::parse_dtype(read_text(object, "dtype"));
  rows.packed = read_mode(object.Get("packed"), "packed");
  rows.scales = read_bytes(object.Get("scales"), "scales");
  rows.biases = read_bytes(object.Get("biases"), "biases");
  if (const auto ggml = object.Get("ggml"); !ggml.IsUndefined()) rows.ggml = read_ggml_type(ggml);
  rows.add_one = object.Get("addOne").ToBoolean();
  if (const auto adapter = object.Get("adapter"); adapter.IsObject()) {
    rows.adapter = read_adapter(adapter.As<Napi::Object>());
  }
  rows.cast = io::parse_dtype(read_text(object, "cast"));
  rows.quantize = read_mode(object.Get("quantize"), "quantize");
  return rows;
}

Napi::Value to_bytes(Napi::Env env, const std::vector<std::byte>& bytes) {
  auto array = Napi::Uint8Array::New(env, bytes.size());
  if (!bytes.empty()) std::memcpy(array.Data(), bytes.data(), bytes.size());
  return array;
}

Napi::Object to_object(Napi::Env env, const nn::ConvertedRows& rows) {
  auto object = Napi::Object::New(env);
  object.Set("data", to_bytes(env, rows.data));
  if (!rows.scales.empty()) object.Set("scales", to_bytes(env, rows.scales));
  if (!rows.biases.empty()) object.Set("biases", to_bytes(env, rows.biases));
  return object;
}

/// Does `work` off the event loop, all on one thread, and makes an object of what comes of it.
template <typename Result>
class ConversionWorker : public Napi::AsyncWorker {
 public:
  using Work = std::function<Result()>;
  using Present = Napi::Object (*)(Napi::Env, const Result&);

  ConversionWorker(Napi::Env env, const Napi::Object& request, Work work, Present present)
      : Napi::AsyncWorker(env, "punie.convert"),
        deferred_(Napi::Promise::Deferred::New(env)),
        request_(Napi::Persistent(request)),
        work_(std::move(work)),
        present_(present) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    try {
      result_ = work_();
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  void OnOK() override {
    const auto env = Env();
    try {
      deferred_.Resolve(guarded(env, [&] {
        if (failure_) std::rethrow_exception(failure_);
        return present_(env, result_);
      }));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    }
  }

 private:
  Napi::Promise::Deferred deferred_;
  /// Keeps the bytes that the work looks at.
  Napi::ObjectReference request_;
  Work work_;
  Present present_;
  Result result_;
  std::exception_ptr failure_;
};

template <typename Result>
Napi::Value start(const Napi::Object& request, std::function<Result()> work,
                  Napi::Object (*present)(Napi::Env, const Result&)) {
  auto* worker = new ConversionWorker<Result>(request.Env(), request, std::move(work), present);
  const auto promise = worker->promise();
  worker->Queue();  // deletes itself when done
  return promise;
}

Napi::Object request_of(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) throw Error("INVALID_OPTION", "rows must be an object.");
  return info[0].As<Napi::Object>();
}

Napi::Object carried_object(Napi::Env env, const nn::CarriedRows& carried) {
  auto object = to_object(env, carried.rows);
  object.Set("errorSquares", carried.error_squares);
  object.Set("valueSquares", carried.value_squares);
  return object;
}

}  // namespace

Napi::Value convert_rows(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto request = request_of(info);
    return start<nn::ConvertedRows>(request, [rows = read_rows(request)] { return nn::convert_rows(rows); }, to_object);
  });
}

Napi::Value carry_ggml_rows(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto request = request_of(info);
    const auto data = read_bytes(request.Get("data"), "data");
    const auto columns = to_integer(request.Get("columns"), "columns", 1, kMostColumns);
    const auto type = read_ggml_type(request.Get("ggml"));
    return start<nn::CarriedRows>(
        request, [data, columns, type] { return nn::carry_rows(data, columns, type); }, carried_object);
  });
}

}  // namespace punie::binding
