#include "cpu_features.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace punie::kernels {
namespace {

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
#elif defined(__aarch64__)
  return Isa::neon;
#else
  return Isa::portable;
#endif
}

Isa from_environment() {
  const char* wanted = std::getenv("PUNIE_CPU_KERNELS");
  if (wanted == nullptr) return best_isa();
  for (const Isa isa : all_isas)
    if (has_isa(isa) && std::strcmp(wanted, name_of(isa)) == 0) return isa;
  return best_isa();
}

std::atomic<int> forced{-1};

}  // namespace

Isa best_isa() {
  static const Isa best = detect();
  return best;
}

bool has_isa(Isa isa) {
  return isa == Isa::portable || isa == best_isa() || (isa == Isa::avx2 && best_isa() == Isa::avx512);
}

Isa isa() {
  static const Isa chosen = from_environment();
  const int override = forced.load(std::memory_order_relaxed);
  return override < 0 ? chosen : static_cast<Isa>(override);
}

const char* name_of(Isa isa) {
  switch (isa) {
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
    case Isa::neon:
      return "neon";
    default:
      return "portable";
  }
}

void force_isa(std::optional<Isa> isa) { forced.store(isa ? static_cast<int>(*isa) : -1, std::memory_order_relaxed); }

}  // namespace punie::kernels
