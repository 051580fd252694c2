#include "io/read_ahead.h"

#include <system_error>
#include <utility>

namespace punie::io {

namespace {

/// One waits for the disk while the other's pages are mapped. More have brought nothing.
constexpr int kThreads = 2;

/// Bytes that a thread asks for at a time: several of the largest pages.
constexpr std::size_t kWindow = std::size_t{8} << 20;

}  // namespace

ReadAhead::ReadAhead(const std::vector<std::shared_ptr<const MappedFile>>& files) {
  for (const auto& file : files) {
    if (!file->seems_in_memory()) files_.push_back(file);
  }
  if (files_.empty()) return;
  try {
    while (threads_.size() < kThreads) threads_.emplace_back([this] { read(); });
  } catch (const std::system_error&) {
    // No more threads to be had.
  }
}

ReadAhead::~ReadAhead() {
  stop_ = true;
  for (auto& thread : threads_) thread.join();
}

void ReadAhead::read() {
  while (!stop_ && read_next()) {
  }
}

/// False at the end, and where the system can't.
bool ReadAhead::read_next() {
  const MappedFile* file = nullptr;
  std::size_t offset = 0;
  {
    const std::lock_guard lock(mutex_);
    while (file_ < files_.size() && offset_ >= files_[file_]->size()) {
      ++file_;
      offset_ = 0;
    }
    if (file_ == files_.size()) return false;
    file = files_[file_].get();
    offset = std::exchange(offset_, offset_ + kWindow);
  }
  return file->populate(offset, kWindow);
}

}  // namespace punie::io
