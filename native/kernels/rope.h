#pragma once

#include <cstdint>

namespace punie::kernels {

/// Cosines, then sines of position * inverse_frequencies[half], into table[2 * half].
void rope_angles(int32_t position, const float* inverse_frequencies, int64_t half, float* table);

/// Rotary position embedding (Su et al. 2021) of x[heads, 2 * half] by one position's angles, into y; y may be x.
/// A pair is elements 2j and 2j + 1 of a head if `traditional`, else j and j + half.
void rope(const float* x, int64_t heads, int64_t half, const float* table, bool traditional, float* y);

}  // namespace punie::kernels
