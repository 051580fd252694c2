#pragma once
// What is asked of memory ahead, for x86's vectors. Internal linkage, as theirs.

namespace punie::kernels {
namespace {

/// In assembly, as GCC takes a function that does no more than prefetch for one without effects, and leaves calls out.
struct PrefetchX86 {
  /// Into L2: fetched into L1, the weights to come would take the place of what is in use.
  static void prefetch(const char* at) { asm volatile("prefetcht1 %0" ::"m"(*at)); }
  /// Into L1.
  static void prefetch_near(const char* at) { asm volatile("prefetcht0 %0" ::"m"(*at)); }
  /// For one use.
  static void prefetch_once(const char* at) { asm volatile("prefetchnta %0" ::"m"(*at)); }
};

}  // namespace
}  // namespace punie::kernels
