#pragma once

namespace punie::tests {

/// Prints the speed of the kernels on this machine beside its memory bandwidth.
void run_bench();

}  // namespace punie::tests
