#include "cpu_features.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace punie::kernels {
namespace {

constexpr Isa all[] = {Isa::portable, Isa::avx2, Isa::avx512};

#if defined(__x86_64__)
/// Clang's `__builtin_cpu_supports` does not know this one's name before version 19.
bool has_f16c() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}
#endif

Isa detect() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  if (!avx2) return Isa::portable;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
                      __builtin_cpu_supports("avx512vnni");
  return avx512 ? Isa::avx512 : Isa::avx2;
#else
  return Isa::portable;
#endif
}

Isa from_environment() {
  const char* wanted = std::getenv("PUNIE_CPU_KERNELS");
  if (wanted == nullptr) return best_isa();
  for (const Isa isa : all)
    if (std::strcmp(wanted, name_of(isa)) == 0) return std::min(isa, best_isa());
  return best_isa();
}

std::atomic<int> forced{-1};

}  // namespace

Isa best_isa() {
  static const Isa best = detect();
  return best;
}

Isa isa() {
  static const Isa chosen = from_environment();
  const int override = forced.load(std::memory_order_relaxed);
  return override < 0 ? chosen : static_cast<Isa>(override);
}

const char* name_of(Isa isa) { return isa == Isa::avx512 ? "avx512" : isa == Isa::avx2 ? "avx2" : "portable"; }

void force_isa(std::optional<Isa> isa) { forced.store(isa ? static_cast<int>(*isa) : -1, std::memory_order_relaxed); }

}  // namespace punie::kernels
