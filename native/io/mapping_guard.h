#pragma once

#include <cstddef>

namespace punie::io {

/// Survives what a mapped file can do to its reader: one that is cut short, or whose disk fails, raises SIGBUS where it
/// is read, which would end the process. From the first guard on, a handler of ours maps zeros over the rest of a
/// guarded range when a page of it can't be read, and remembers it; the reader goes on, and asks `faulted` before it
/// believes what it has read. A signal from anywhere else goes to the handler that was there before, or ends the
/// process as it would have.
///
/// The handler is installed again when it finds the default one in its place, and never put over another's.
class MappingGuard {
 public:
  /// Guards [begin, begin + bytes), whole pages of one mapping, which must not be unmapped before this is destroyed.
  MappingGuard(const void* begin, std::size_t bytes);
  ~MappingGuard();
  MappingGuard(const MappingGuard&) = delete;
  MappingGuard& operator=(const MappingGuard&) = delete;

  /// True once a page of the range could not be read: from there on it reads as zeros.
  bool faulted() const;

 private:
  struct Region;
  friend struct Regions;
  Region* region_;
};

}  // namespace punie::io
