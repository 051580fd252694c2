#pragma once

#include <cstdint>

namespace punie::kernels {

/// The dot product of two float arrays, portable; always the same order of summation for a given `count`.
float dot(const float* a, const float* b, int64_t count);

}  // namespace punie::kernels
