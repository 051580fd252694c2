#include "io/file_guard.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "error.h"

namespace punie::io {

FileGuard::Descriptor::~Descriptor() {
  if (fd >= 0) ::close(fd);
}

FileGuard::FileGuard(const std::vector<FileInfo>& files) {
  files_.reserve(files.size());
  for (const auto& file : files) {
    const int descriptor = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
      throw Error("MODEL_CORRUPT", file.path + ": cannot be opened: " + std::strerror(errno) + ".");
    }
    files_.push_back({file.path, file.bytes, Descriptor(descriptor)});
  }
}

void FileGuard::check() const {
  for (const auto& file : files_) {
    struct stat status{};
    if (::fstat(file.descriptor.fd, &status) == 0 && static_cast<std::size_t>(status.st_size) >= file.bytes) continue;
    throw Error("MODEL_CORRUPT", file.path + ": was cut short while the model was loaded: it had " +
                                     std::to_string(file.bytes) + " bytes and has " + std::to_string(status.st_size) +
                                     ". Load the model again.");
  }
}

}  // namespace punie::io
