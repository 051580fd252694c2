#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <string>

#include "check.h"

namespace punie::tests {

/// A file of zeros that goes away with the object; the system has none of it in memory yet.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::size_t bytes) {
    char name[] = "/tmp/punie-native-XXXXXX";
    fd_ = ::mkstemp(name);
    path_ = name;
    resize(bytes);
  }
  ~TemporaryFile() {
    ::close(fd_);
    remove_name();
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }
  int descriptor() const { return fd_; }
  /// What is open or mapped stays. For a process that ends without destructors.
  void remove_name() const { ::unlink(path_.c_str()); }
  void resize(std::size_t bytes) const {
    check(::ftruncate(fd_, static_cast<off_t>(bytes)) == 0, "the file is resized");
  }

 private:
  int fd_;
  std::string path_;
};

}  // namespace punie::tests
