#pragma once

#include <cstdint>

namespace punie::kernels {

/// Cosines, then sines of position * inverse_frequencies[half], both times `magnitude`, into table[2 * half].
void rope_angles(int32_t position, const float* inverse_frequencies, int64_t half, float magnitude, float* table);

/// Rotary position embedding (Su et al. 2021) of x[heads, head_dim] by one position's angles, in place: the first
/// 2 * half elements of a head are turned, the others stay. A pair is elements 2j and 2j + 1 if `traditional`, else j
/// and j + half.
void rope(float* x, int64_t heads, int64_t head_dim, int64_t half, const float* table, bool traditional);

}  // namespace punie::kernels
