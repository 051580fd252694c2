#pragma once

#include <napi.h>

namespace punie::binding {

/// `convertRows(rows)`.
Napi::Value convert_rows(const Napi::CallbackInfo& info);
/// `carryGgmlRows(rows)`.
Napi::Value carry_ggml_rows(const Napi::CallbackInfo& info);

}  // namespace punie::binding
