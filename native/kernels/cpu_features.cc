#include "cpu_features.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace punie::kernels {
namespace {

/// Tests where there are neither AVX-512 nor AMX (tests/emulation).
#ifdef PUNIE_EMULATE_AVX512
constexpr bool emulates_avx512 = true;
#else
constexpr bool emulates_avx512 = false;
#endif

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

/// Linux lets a process use tiles once it has asked for them (Documentation/arch/x86/xstate.rst): from then on the
/// stacks that it gives to signal handlers have to be larger. Asks no more than once.
bool has_tiles() {
  if (emulates_avx512) return true;
#if defined(__x86_64__) && defined(__linux__)
  static const bool has = [] {
    constexpr unsigned tile = 1u << 24, int8 = 1u << 25;
    constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & tile) != 0 && (edx & int8) != 0 &&
           ::syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
  }();
  return has;
#else
  return false;
#endif
}

bool detect_amd() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_is("amd");
#else
  return false;
#endif
}

constexpr unsigned zen5_family = 0x1a;

unsigned cpu_family() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0) return 0;
  return (a >> 8 & 0xf) + (a >> 20 & 0xff);
#else
  return 0;
#endif
}

bool detect_vbmi() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return emulates_avx512 || __builtin_cpu_supports("avx512vbmi");
#else
  return false;
#endif
}

/// The best without tiles.
Isa detect() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  if (!avx2) return Isa::portable;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  return avx512 || emulates_avx512 ? Isa::avx512 : Isa::avx2;
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
    if (std::strcmp(wanted, name_of(isa)) == 0 && has_isa(isa)) return isa;
  return best_isa();
}

std::atomic<int> forced{-1};
std::atomic<int> forced_amd{-1};
std::atomic<bool> forced_no_vbmi{false};

bool unless_forced(bool detected) {
  const int override = forced_amd.load(std::memory_order_relaxed);
  return override < 0 ? detected : override != 0;
}

bool is_amd() {
  static const bool amd = detect_amd();
  return unless_forced(amd);
}

Isa best_without_tiles() {
  static const Isa best = detect();
  return best;
}

}  // namespace

Isa best_isa() { return has_isa(Isa::amx) ? Isa::amx : best_without_tiles(); }

bool has_isa(Isa isa) {
  const Isa best = best_without_tiles();
  if (isa == Isa::amx) return best == Isa::avx512 && has_vbmi() && has_tiles();
  return isa == Isa::portable || isa == best || (isa == Isa::avx2 && best == Isa::avx512);
}

bool adds_faster() { return is_amd(); }

bool asks_in_order() { return is_amd(); }

bool keeps_asked_once() {
  static const bool zen5 = detect_amd() && cpu_family() >= zen5_family;
  return unless_forced(zen5);
}

bool has_vbmi() {
  static const bool has = detect_vbmi();
  return has && !forced_no_vbmi.load(std::memory_order_relaxed);
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
    case Isa::amx:
      return "amx";
    case Isa::neon:
      return "neon";
    default:
      return "portable";
  }
}

void force_isa(std::optional<Isa> isa) { forced.store(isa ? static_cast<int>(*isa) : -1, std::memory_order_relaxed); }

void force_amd(std::optional<bool> amd) {
  forced_amd.store(amd ? static_cast<int>(*amd) : -1, std::memory_order_relaxed);
}

void force_no_vbmi(bool none) { forced_no_vbmi.store(none, std::memory_order_relaxed); }

}  // namespace punie::kernels
