#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/mapped_file.h"

namespace punie::io {

enum class Dtype { f64, f32, f16, bf16, i64, u64, i32, u32, i16, u16, i8, u8, boolean };

std::size_t size_of(Dtype dtype);
/// The name that safetensors gives it, such as "BF16".
const char* name_of(Dtype dtype);
/// Throws MODEL_CORRUPT for a name that safetensors does not have.
Dtype parse_dtype(const std::string& name);

/// What a weight file's header says of one tensor. `offset` counts from the start of the file.
struct TensorInfo {
  std::string name;
  std::size_t file;
  Dtype dtype;
  std::vector<std::int64_t> shape;
  std::size_t offset;
  std::size_t bytes;
};

/// A tensor where it is mapped. Its address has no alignment: safetensors pads nothing between tensors.
struct Tensor {
  Dtype dtype;
  std::vector<std::int64_t> shape;
  const std::byte* data;
  std::size_t bytes;
  std::shared_ptr<const MappedFile> file;
};

struct FileInfo {
  std::string path;
  std::size_t bytes;
};

/// All tensors of a model by name, over its mapped weight files. Each tensor keeps its file mapped.
class TensorStore {
 public:
  /// Maps the files and checks that each tensor lies within its file and that its shape and dtype fill its bytes.
  /// Throws MODEL_CORRUPT.
  TensorStore(const std::vector<FileInfo>& files, const std::vector<TensorInfo>& tensors);

  /// Checks every file: see MappedFile.
  void check_files() const;

  const std::vector<std::shared_ptr<const MappedFile>>& files() const { return files_; }
  /// nullptr when there is none.
  const Tensor* find(const std::string& name) const;
  const std::unordered_map<std::string, Tensor>& tensors() const { return tensors_; }

 private:
  std::vector<std::shared_ptr<const MappedFile>> files_;
  std::unordered_map<std::string, Tensor> tensors_;
};

}  // namespace punie::io
