#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "io/mapped_file.h"

namespace punie::io {

/// Brings mapped files into memory from their beginnings on, beside whatever else is done. A model that has not been
/// read since the machine was started comes from the disk at the disk's rate: whoever waits for one page after another
/// gets half of it. Files that seem to be in memory are left alone: to map their pages would take time from
/// what else is done. It is help, and nothing waits for it: what can't be read is left to its reader.
class ReadAhead {
 public:
  explicit ReadAhead(const std::vector<std::shared_ptr<const MappedFile>>& files);
  /// Ends it, within a window's time.
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

 private:
  void read();
  bool read_next();

  std::vector<std::shared_ptr<const MappedFile>> files_;
  std::mutex mutex_;
  std::size_t file_ = 0;    // guarded by mutex_
  std::size_t offset_ = 0;  // guarded by mutex_
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace punie::io
