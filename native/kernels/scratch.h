#pragma once

#include <cstdint>

namespace punie::kernels {

/// Memory for `floats` values, 32-byte aligned, this thread's own; valid until the next call on this thread. Throws
/// std::bad_alloc.
float* thread_scratch(int64_t floats);

}  // namespace punie::kernels
