#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "io/tensor_store.h"

namespace punie::io {

/// Watches weight files that are mapped: reading beyond the end of one that was cut short meanwhile would raise
/// SIGBUS and end the process. Owns a descriptor of each. A file replaced by rename keeps its old content here.
class FileGuard {
 public:
  /// Throws MODEL_CORRUPT when a file cannot be opened.
  explicit FileGuard(const std::vector<FileInfo>& files);

  /// One system call a file. Throws MODEL_CORRUPT when one is shorter than it was.
  void check() const;

 private:
  /// Owns an open file.
  struct Descriptor {
    int fd;
    explicit Descriptor(int opened) : fd(opened) {}
    Descriptor(Descriptor&& other) noexcept : fd(std::exchange(other.fd, -1)) {}
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor();
  };
  struct Watched {
    std::string path;
    std::size_t bytes;
    Descriptor descriptor;
  };
  std::vector<Watched> files_;
};

}  // namespace punie::io
