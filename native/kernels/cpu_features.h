#pragma once

#include <optional>

namespace punie::kernels {

/// Instruction sets that kernels are written for. `avx2`: AVX2, FMA, F16C. `avx512`: these and F, BW, VL, VBMI and VNNI
/// (Ice Lake, Zen 4 and later). `neon`: what every 64-bit ARM has.
enum class Isa { portable, avx2, avx512, neon };
inline constexpr Isa all_isas[] = {Isa::portable, Isa::avx2, Isa::avx512, Isa::neon};

/// What the kernels use: the best that this CPU has, or another if PUNIE_CPU_KERNELS (portable, avx2, avx512, neon) or
/// a test says so and the CPU has it.
Isa isa();
inline bool use_avx2() { return isa() == Isa::avx2 || isa() == Isa::avx512; }
inline bool use_neon() { return isa() == Isa::neon; }

/// "portable", "avx2", "avx512" or "neon".
const char* name_of(Isa isa);

/// The best that this CPU has.
Isa best_isa();
bool has_isa(Isa isa);

/// For tests: use this one, which the CPU must have; nothing: the default again. Not to be changed while a kernel runs.
void force_isa(std::optional<Isa> isa);

}  // namespace punie::kernels
