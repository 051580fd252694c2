#include "binding/machine.h"

#include <mlx/mlx.h>
#include <mlx/version.h>

#include "binding/arguments.h"
#include "binding/errors.h"
#include "kernels/cpu_features.h"
#include "kernels/memory_bandwidth.h"
#include "kernels/usable_cores.h"

namespace punie::binding {

namespace {

namespace mx = mlx::core;

/// The GPU that this build of MLX can use here: "metal", "cuda", or nullptr.
const char* gpu_name() {
  if (!mx::is_available(mx::Device::gpu)) return nullptr;
#ifdef __APPLE__
  return "metal";
#else
  return "cuda";
#endif
}

std::string device_name(const mx::Device& device) {
  const auto& properties = mx::device_info(device);
  const auto found = properties.find("device_name");
  if (found == properties.end()) return "CPU";
  const auto* name = std::get_if<std::string>(&found->second);
  return name != nullptr ? *name : "CPU";
}

/// Off the event loop; no MLX in it, so any thread will do.
class BandwidthWorker : public Napi::AsyncWorker {
 public:
  BandwidthWorker(Napi::Env env, int threads)
      : Napi::AsyncWorker(env, "punie.bandwidth"), deferred_(Napi::Promise::Deferred::New(env)), threads_(threads) {}

  Napi::Promise promise() const { return deferred_.Promise(); }
  void Execute() override { bytes_per_second_ = kernels::measure_memory_bandwidth(threads_); }
  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), bytes_per_second_)); }
  void OnError(const Napi::Error& error) override {
    deferred_.Reject(to_js(Env(), "OUT_OF_MEMORY", error.Message()).Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  int threads_;
  double bytes_per_second_ = 0;
};

}  // namespace

Napi::Value machine_info(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto object = Napi::Object::New(env);
    auto devices = Napi::Array::New(env);
    const auto* gpu = gpu_name();
    if (gpu != nullptr) devices.Set(devices.Length(), gpu);
    devices.Set(devices.Length(), "cpu");
    object.Set("mlxVersion", mx::version());
    object.Set("devices", devices);
    object.Set("deviceName", device_name(gpu != nullptr ? mx::Device::gpu : mx::Device::cpu));
    object.Set("cpuKernels", kernels::name_of(kernels::isa()));
    object.Set("cores", kernels::usable_cores());
    return object;
  });
}

Napi::Value measure_memory_bandwidth(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto* worker = new BandwidthWorker(env, static_cast<int>(to_integer(info[0], "threads", 1, 1024)));
    const auto promise = worker->promise();
    worker->Queue();  // deletes itself when done
    return promise;
  });
}

}  // namespace punie::binding
