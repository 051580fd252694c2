#pragma once

#include <cstdint>

namespace punie::kernels {

/// A thread has one piece of memory for each.
enum class Scratch { piece, inner, call };

/// Memory for `floats` values, 64-byte aligned, this thread's own; valid until the next call on this thread for the
/// same use: `piece` within a piece of a job, `inner` by what a piece calls, `call` by the function that starts the
/// job. Throws std::bad_alloc.
float* thread_scratch(int64_t floats, Scratch use = Scratch::piece);

}  // namespace punie::kernels
