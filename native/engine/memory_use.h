#pragma once

#include <atomic>
#include <cstddef>

namespace punie::engine {

struct Memory {
  std::size_t model_bytes = 0;
  std::size_t cache_bytes = 0;
  /// The most that the activations of a pass have taken so far.
  std::size_t work_bytes = 0;
  /// What is neither mapped nor anybody else's: caches, activations, and weights where they are copies.
  std::size_t private_bytes = 0;
};

/// The same, written on the owner thread and read on any.
struct MemoryUse {
  std::atomic<std::size_t> model_bytes{0};
  std::atomic<std::size_t> cache_bytes{0};
  std::atomic<std::size_t> work_bytes{0};
  std::atomic<std::size_t> private_bytes{0};

  Memory read() const { return {model_bytes, cache_bytes, work_bytes, private_bytes}; }
};

}  // namespace punie::engine
