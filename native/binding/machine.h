#pragma once

#include <napi.h>

namespace punie::binding {

/// `info()`: what this build and machine can do.
Napi::Value machine_info(const Napi::CallbackInfo& info);
/// `measureMemoryBandwidth(threads)`.
Napi::Value measure_memory_bandwidth(const Napi::CallbackInfo& info);

}  // namespace punie::binding
