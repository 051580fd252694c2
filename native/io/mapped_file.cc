#include "io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "error.h"

namespace punie::io {

namespace {

#ifdef __linux__
/// MADV_POPULATE_READ: older C libraries have no name for it.
constexpr int kPopulateRead = 22;
#endif

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw Error("MODEL_CORRUPT", "Cannot map the weight file " + path + ": " + what + ".");
}

}  // namespace

MappedFile::Descriptor::~Descriptor() {
  if (fd >= 0) ::close(fd);
}

MappedFile::MappedFile(std::string path, std::size_t expected_bytes)
    : path_(std::move(path)), file_{::open(path_.c_str(), O_RDONLY | O_CLOEXEC)} {
  if (file_.fd < 0) fail(path_, std::strerror(errno));
  struct stat status{};
  if (::fstat(file_.fd, &status) != 0) fail(path_, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) fail(path_, "it is not a regular file");
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ != expected_bytes) {
    fail(path_, "it has " + std::to_string(size_) + " bytes, and had " + std::to_string(expected_bytes) +
                    " when its header was read");
  }
  if (size_ == 0) return;
  void* mapping = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file_.fd, 0);
  if (mapping == MAP_FAILED) fail(path_, std::strerror(errno));
#ifdef __linux__
  // A hint: what has to come from the disk comes in pages of megabytes, where the file system has them. A matrix of
  // megabytes is read faster from those than from pages of 4 KB, this time and every later one (docs/performance.md).
  ::madvise(mapping, size_, MADV_HUGEPAGE);
#endif
  data_ = static_cast<const std::byte*>(mapping);
  guard_.emplace(data_, size_);
}

MappedFile::~MappedFile() {
  guard_.reset();
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

bool MappedFile::seems_in_memory() const {
#ifdef __linux__
  constexpr std::size_t kSamples = 64;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto pages = (size_ + page - 1) / page;
  for (std::size_t i = 0; i <= kSamples && pages > 0; ++i) {
    unsigned char there = 0;
    auto* at = const_cast<std::byte*>(data_) + (pages - 1) * i / kSamples * page;
    if (::mincore(at, 1, &there) != 0 || (there & 1) == 0) return false;
  }
  return true;
#else
  return false;
#endif
}

bool MappedFile::populate(std::size_t offset, std::size_t bytes) const {
#ifdef __linux__
  if (offset >= size_) return true;
  auto* from = const_cast<std::byte*>(data_) + offset;
  return ::madvise(from, std::min(bytes, size_ - offset), kPopulateRead) == 0;
#else
  static_cast<void>(offset);
  static_cast<void>(bytes);
  return false;
#endif
}

void MappedFile::check() const {
  struct stat status{};
  const bool known = ::fstat(file_.fd, &status) == 0;
  if (known && static_cast<std::size_t>(status.st_size) < size_) {
    throw Error("MODEL_CORRUPT", path_ + ": was cut short while the model was loaded: it had " + std::to_string(size_) +
                                     " bytes and has " + std::to_string(status.st_size) + ". Load the model again.");
  }
  if (guard_ && guard_->faulted()) {
    throw Error("MODEL_CORRUPT", path_ +
                                     ": could not be read: it was cut short for a while, or its disk failed. Load "
                                     "the model again.");
  }
}

}  // namespace punie::io
