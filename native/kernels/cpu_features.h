#pragma once

namespace punie::kernels {

/// Whether the kernels use AVX2, FMA and F16C: what this CPU has, unless a test forced the portable ones.
bool use_avx2();

/// The instruction set in use: "avx2" or "portable".
const char* isa_name();

/// For tests: use the portable kernels everywhere. Not to be changed while a kernel runs.
void force_portable(bool on);

}  // namespace punie::kernels
