#include "io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "error.h"

namespace punie::io {

namespace {

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw Error("MODEL_CORRUPT", "Cannot map the weight file " + path + ": " + what + ".");
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

MappedFile::MappedFile(std::string path, std::size_t expected_bytes) : path_(std::move(path)) {
  Descriptor file{::open(path_.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) fail(path_, std::strerror(errno));
  struct stat status{};
  if (::fstat(file.fd, &status) != 0) fail(path_, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) fail(path_, "it is not a regular file");
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ != expected_bytes) {
    fail(path_, "it has " + std::to_string(size_) + " bytes, and had " + std::to_string(expected_bytes) +
                    " when its header was read");
  }
  if (size_ == 0) return;
  void* mapping = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (mapping == MAP_FAILED) fail(path_, std::strerror(errno));
  data_ = static_cast<const std::byte*>(mapping);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace punie::io
