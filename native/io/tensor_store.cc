#include "io/tensor_store.h"

#include <array>
#include <utility>

#include "error.h"

namespace punie::io {

namespace {

struct DtypeRow {
  Dtype dtype;
  const char* name;
  std::size_t bytes;
};

constexpr std::array<DtypeRow, 13> kDtypes{{{Dtype::f64, "F64", 8},
                                            {Dtype::f32, "F32", 4},
                                            {Dtype::f16, "F16", 2},
                                            {Dtype::bf16, "BF16", 2},
                                            {Dtype::i64, "I64", 8},
                                            {Dtype::u64, "U64", 8},
                                            {Dtype::i32, "I32", 4},
                                            {Dtype::u32, "U32", 4},
                                            {Dtype::i16, "I16", 2},
                                            {Dtype::u16, "U16", 2},
                                            {Dtype::i8, "I8", 1},
                                            {Dtype::u8, "U8", 1},
                                            {Dtype::boolean, "BOOL", 1}}};

const DtypeRow& row_of(Dtype dtype) {
  for (const auto& row : kDtypes) {
    if (row.dtype == dtype) return row;
  }
  throw Error("INTERNAL", "A dtype has no row.");
}

[[noreturn]] void corrupt(const TensorInfo& tensor, const std::string& path, const std::string& what) {
  throw Error("MODEL_CORRUPT", path + ": tensor '" + tensor.name + "' " + what + ".");
}

/// Bytes of the tensor by its shape; refuses negative dimensions and overflow.
std::size_t bytes_by_shape(const TensorInfo& tensor, const std::string& path) {
  std::size_t bytes = size_of(tensor.dtype);
  for (std::int64_t dimension : tensor.shape) {
    if (dimension < 0) corrupt(tensor, path, "has a negative dimension");
    if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(dimension), &bytes)) {
      corrupt(tensor, path, "has a shape that overflows");
    }
  }
  return bytes;
}

}  // namespace

std::size_t size_of(Dtype dtype) { return row_of(dtype).bytes; }

const char* name_of(Dtype dtype) { return row_of(dtype).name; }

Dtype parse_dtype(const std::string& name) {
  for (const auto& row : kDtypes) {
    if (name == row.name) return row.dtype;
  }
  throw Error("MODEL_CORRUPT", "Unknown safetensors dtype '" + name + "'.");
}

TensorStore::TensorStore(const std::vector<FileInfo>& files, const std::vector<TensorInfo>& tensors) {
  files_.reserve(files.size());
  for (const auto& file : files) files_.push_back(std::make_shared<MappedFile>(file.path, file.bytes));
  tensors_.reserve(tensors.size());
  for (const auto& tensor : tensors) {
    if (tensor.file >= files_.size()) {
      throw Error("MODEL_CORRUPT", "Tensor '" + tensor.name + "' names a weight file that is not there.");
    }
    const auto& file = files_[tensor.file];
    if (bytes_by_shape(tensor, file->path()) != tensor.bytes) {
      corrupt(tensor, file->path(), "has " + std::to_string(tensor.bytes) + " bytes, which its shape does not fill");
    }
    if (tensor.offset > file->size() || tensor.bytes > file->size() - tensor.offset) {
      corrupt(tensor, file->path(), "ends beyond the end of the file");
    }
    Tensor view{tensor.dtype, tensor.shape, file->data() + tensor.offset, tensor.bytes, file};
    if (!tensors_.emplace(tensor.name, std::move(view)).second) corrupt(tensor, file->path(), "appears twice");
  }
}

void TensorStore::check_files() const {
  for (const auto& file : files_) file->check();
}

const Tensor* TensorStore::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

}  // namespace punie::io
