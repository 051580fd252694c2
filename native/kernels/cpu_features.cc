#include "cpu_features.h"

#include <atomic>

namespace punie::kernels {
namespace {

bool cpu_has_avx2() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}

std::atomic<bool> forced_portable{false};

}  // namespace

bool use_avx2() {
  static const bool supported = cpu_has_avx2();
  return supported && !forced_portable.load(std::memory_order_relaxed);
}

const char* isa_name() { return use_avx2() ? "avx2" : "portable"; }

void force_portable(bool on) { forced_portable.store(on, std::memory_order_relaxed); }

}  // namespace punie::kernels
