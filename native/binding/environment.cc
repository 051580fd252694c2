#include "binding/environment.h"

#include "binding/session.h"

namespace punie::binding {

Napi::Value shut_down(const Napi::CallbackInfo& info) {
  for (auto* session : info.Env().GetInstanceData<Environment>()->sessions) session->shut_down();
  return info.Env().Undefined();
}

}  // namespace punie::binding
