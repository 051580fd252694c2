#pragma once

#include <optional>

namespace punie::kernels {

/// Instruction sets that kernels are written for, each with all of the one before it. `avx2`: AVX2, FMA, F16C.
/// `avx512`: F, BW, VL, VBMI and VNNI (Ice Lake, Zen 4 and later).
enum class Isa { portable, avx2, avx512 };

/// What the kernels use: the best that this CPU has, or less if PUNIE_CPU_KERNELS (portable, avx2, avx512) or a test
/// says so.
Isa isa();
inline bool use_avx2() { return isa() >= Isa::avx2; }

/// "portable", "avx2" or "avx512".
const char* name_of(Isa isa);

/// The best that this CPU has.
Isa best_isa();

/// For tests: use this one, which must not be better than `best_isa()`; nothing: the default again. Not to be changed
/// while a kernel runs.
void force_isa(std::optional<Isa> isa);

}  // namespace punie::kernels
