#pragma once

namespace punie::kernels {

/// Bytes a second that `threads` threads together read from memory: the median of passes over 256 MB, about a quarter
/// of a second. Throws std::bad_alloc.
double measure_memory_bandwidth(int threads);

}  // namespace punie::kernels
