#include "tokenizer/load_tokenizer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "tokenizer/large_memory.h"
#include "tokenizer/unserved.h"

namespace punie::tokenizer {

namespace {

/// The limits of src/tokenizer/tokenizer-spec.ts, in MiB.
constexpr std::size_t kMostTokenizerMiB = 64;
constexpr std::size_t kMostConfigMiB = 16;

class File {
 public:
  /// Without O_NONBLOCK, opening a FIFO would wait for a writer.
  explicit File(const std::string& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

/// Not a string: that would be written twice, and these files are large.
class FileText {
 public:
  explicit FileText(std::size_t size) : bytes_(LargeMemory<char>().allocate(size)), size_(size) {}
  ~FileText() { LargeMemory<char>().deallocate(bytes_, size_); }
  FileText(const FileText&) = delete;
  FileText& operator=(const FileText&) = delete;

  char* bytes() { return bytes_; }
  std::string_view view() const { return {bytes_, size_}; }

 private:
  char* bytes_;
  std::size_t size_;
};

/// The file's bytes, or nothing when there is no such file.
std::unique_ptr<FileText> read_file(const std::string& path, std::size_t most_mib) {
  const File file(path);
  if (file.descriptor() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return nullptr;
    throw Unserved(path + " can't be opened");
  }
  struct stat status{};
  if (::fstat(file.descriptor(), &status) != 0 || !S_ISREG(status.st_mode)) throw Unserved(path + " is no file");
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size > most_mib << 20) throw Unserved(path + " is too large");
  auto text = std::make_unique<FileText>(size);
  for (std::size_t at = 0; at < size;) {
    const auto count = ::read(file.descriptor(), text->bytes() + at, size - at);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw Unserved(path + " can't be read to its end");
    at += static_cast<std::size_t>(count);
  }
  return text;
}

}  // namespace

std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& directory, TokenTable& table) {
  const auto tokenizer = read_file(directory + "/tokenizer.json", kMostTokenizerMiB);
  if (!tokenizer) throw Unserved("there is no tokenizer.json");
  const auto config = read_file(directory + "/tokenizer_config.json", kMostConfigMiB);
  return std::make_shared<const Tokenizer>(tokenizer->view(), config ? std::optional(config->view()) : std::nullopt,
                                           table);
}

}  // namespace punie::tokenizer
