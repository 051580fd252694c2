#pragma once

#include <optional>

namespace punie::kernels {

/// Instruction sets that kernels are written for. `avx2`: AVX2, FMA, F16C. `avx512`: these and F, BW, VL and VNNI
/// (Cascade Lake, Ice Lake, Zen 4 and later). `amx`: these, VBMI and AMX's tiles of bytes (Sapphire Rapids and later,
/// on Linux). `neon`: what every 64-bit ARM has.
enum class Isa { portable, avx2, avx512, amx, neon };
inline constexpr Isa all_isas[] = {Isa::portable, Isa::avx2, Isa::avx512, Isa::amx, Isa::neon};

/// What the kernels use: the best that this CPU has, or another if PUNIE_CPU_KERNELS (portable, avx2, avx512, amx,
/// neon) or a test says so and the CPU has it.
Isa isa();
inline bool use_avx512() { return isa() == Isa::avx512 || isa() == Isa::amx; }
inline bool use_avx2() { return isa() == Isa::avx2 || use_avx512(); }
inline bool use_neon() { return isa() == Isa::neon; }

/// Whether this CPU adds vectors of 16-bit values twice as fast as it multiplies them, which AMD's with AVX-512 do and
/// Intel's don't: there both are one pair of ports' work.
bool adds_faster();

/// Whether one input's weights are asked of memory in the order that they lie in, by AVX-512 too: on AMD's.
bool asks_in_order();

/// Whether what is asked of memory for one use (prefetchnta) is still there when a panel of weights has come after it.
/// So it is on Zen 5. Intel's have it in L1 only, and so had AMD's of old; those in between were not measured.
bool keeps_asked_once();

/// Whether this CPU has AVX-512's VBMI, which spread codes of 2, 3, 5 and 6 bits in fewer instructions.
bool has_vbmi();

/// "portable", "avx2", "avx512", "amx" or "neon".
const char* name_of(Isa isa);

/// The best that this CPU has.
Isa best_isa();
bool has_isa(Isa isa);

/// For tests: use this one, which the CPU must have; nothing: the default again. Not to be changed while a kernel runs.
void force_isa(std::optional<Isa> isa);
/// What is said above of AMD's and of Zen 5.
void force_amd(std::optional<bool> amd);
void force_no_vbmi(bool none);

}  // namespace punie::kernels
