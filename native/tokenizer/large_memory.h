#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace punie::tokenizer {

/// An allocator for tables of megabytes. Page by page, the first write to each is a good part of the time that loading
/// takes; Linux gives two megabytes at a time when it is asked to.
template <typename T>
struct LargeMemory {
  using value_type = T;

  LargeMemory() = default;
  template <typename Other>
  LargeMemory(const LargeMemory<Other>&) {}

  T* allocate(std::size_t count) {
    if (count > kMostBytes / sizeof(T)) throw std::bad_alloc();
    const auto bytes = std::max<std::size_t>(count * sizeof(T), 1);
    const bool large = bytes >= kHugePage / 2;
    const auto alignment = large ? kHugePage : alignof(std::max_align_t);
    const auto rounded = (bytes + alignment - 1) / alignment * alignment;
    void* memory = std::aligned_alloc(alignment, rounded);
    if (memory == nullptr) throw std::bad_alloc();
#ifdef __linux__
    // A hint: memory without it is as good, only slower.
    if (large) ::madvise(memory, rounded, MADV_HUGEPAGE);
#endif
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) { std::free(memory); }

  bool operator==(const LargeMemory&) const { return true; }

 private:
  static constexpr std::size_t kHugePage = std::size_t{1} << 21;
  static constexpr std::size_t kMostBytes = std::size_t{1} << 40;
};

}  // namespace punie::tokenizer
