#include <napi.h>

#include "binding/conversion.h"
#include "binding/environment.h"
#include "binding/machine.h"
#include "binding/native_model.h"
#include "binding/native_tokenizer.h"

/// What `require` of the addon returns: `NativeBinding` of src/native/binding-types.ts.
static Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new punie::binding::Environment{
      punie::binding::NativeModel::define(env), punie::binding::NativeTokenizer::define(env), {}});
  exports.Set("info", Napi::Function::New(env, punie::binding::machine_info, "info"));
  exports.Set("loadModel", Napi::Function::New(env, punie::binding::NativeModel::load, "loadModel"));
  exports.Set("loadTokenizer", Napi::Function::New(env, punie::binding::NativeTokenizer::load, "loadTokenizer"));
  exports.Set("carryGgmlRows", Napi::Function::New(env, punie::binding::carry_ggml_rows, "carryGgmlRows"));
  exports.Set("convertRows", Napi::Function::New(env, punie::binding::convert_rows, "convertRows"));
  exports.Set("measureMemoryBandwidth",
              Napi::Function::New(env, punie::binding::measure_memory_bandwidth, "measureMemoryBandwidth"));
  exports.Set("shutdown", Napi::Function::New(env, punie::binding::shut_down, "shutdown"));
  return exports;
}

NODE_API_MODULE(punie, init)
