#pragma once

#include <cstddef>
#include <string>

namespace punie::io {

/// A file mapped privately and read-only; unmapped when destroyed. Weights are read where they lie, so a model
/// costs the page cache and nothing else, and processes share it.
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

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace punie::io
