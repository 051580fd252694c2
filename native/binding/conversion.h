#pragma once

#include <napi.h>

namespace punie::binding {

/// `convertRows(rows)`.
Napi::Value convert_rows(const Napi::CallbackInfo& info);

}  // namespace punie::binding
