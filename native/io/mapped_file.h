#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "io/mapping_guard.h"

namespace punie::io {

/// A file mapped privately and read-only; unmapped and closed when destroyed. Weights are read where they lie, so a
/// model costs the page cache and nothing else, and processes share it. One that is replaced by rename, or removed,
/// keeps its content here; one that is cut short reads as zeros from some page on, which `check` tells.
class MappedFile {
 public:
  /// Throws MODEL_CORRUPT when the file cannot be mapped or its size is not `expected_bytes`.
  MappedFile(std::string path, std::size_t expected_bytes);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  const std::string& path() const { return path_; }

  /// Whether all of it seems to be in the system's memory, by some of its pages. Of another user's file that this one
  /// may not write Linux says so in any case.
  bool seems_in_memory() const;
  /// Reads `bytes` from `offset`, a multiple of the page size, into memory and maps them, as far as the file goes;
  /// returns once they are there. False where they can't be read, which raises no signal, and where the system has no
  /// such call: Linux has one from 5.14 on.
  bool populate(std::size_t offset, std::size_t bytes) const;

  /// One system call. Throws MODEL_CORRUPT when the file is shorter than it was or a page of it could not be read:
  /// what was read of it since the last check is worth nothing then.
  void check() const;

 private:
  /// Owns an open file.
  struct Descriptor {
    int fd = -1;
    ~Descriptor();
  };

  std::string path_;
  Descriptor file_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::optional<MappingGuard> guard_;
};

}  // namespace punie::io
