#include "scratch.h"

#include <cstddef>
#include <vector>

namespace punie::kernels {

float* thread_scratch(int64_t floats, Scratch use) {
  constexpr int64_t alignment = 64;
  thread_local std::vector<float> memories[3];
  std::vector<float>& memory = memories[static_cast<size_t>(use)];
  const size_t wanted = static_cast<size_t>(floats) + alignment / sizeof(float);
  if (memory.size() < wanted) {
    memory.clear();  // nothing to keep when it grows
    memory.resize(wanted);
  }
  const auto address = reinterpret_cast<uintptr_t>(memory.data());
  return memory.data() + (alignment - address % alignment) % alignment / sizeof(float);
}

}  // namespace punie::kernels
