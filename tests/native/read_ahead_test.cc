#include "io/read_ahead.h"

#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "check.h"

namespace punie::tests {
namespace {

constexpr std::size_t kBytes = std::size_t{20} << 20;  // some windows and a part of one

/// A file of `bytes` zeros without a name, once it is mapped.
std::shared_ptr<const io::MappedFile> mapped_file(std::size_t bytes, std::size_t cut_to) {
  char name[] = "/tmp/punie-read-ahead-XXXXXX";
  const int fd = ::mkstemp(name);
  check(::ftruncate(fd, static_cast<off_t>(bytes)) == 0, "the file is made");
  auto mapped = std::make_shared<const io::MappedFile>(name, bytes);
  check(::ftruncate(fd, static_cast<off_t>(cut_to)) == 0, "the file is cut");
  ::unlink(name);
  ::close(fd);
  return mapped;
}

/// Bytes of the mapping that this process would reach without a page fault.
std::size_t mapped_bytes(const io::MappedFile& file) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::unique_ptr<FILE, int (*)(FILE*)> map(std::fopen("/proc/self/pagemap", "r"), std::fclose);
  check(map != nullptr, "the page map is open");
  std::vector<std::uint64_t> entries(file.size() / page);
  const auto first = reinterpret_cast<std::uintptr_t>(file.data()) / page;
  check(std::fseek(map.get(), static_cast<long>(first * sizeof(entries[0])), SEEK_SET) == 0, "the page map is read");
  check(std::fread(entries.data(), sizeof(entries[0]), entries.size(), map.get()) == entries.size(), "all of it");
  std::size_t bytes = 0;
  for (const auto entry : entries) bytes += (entry >> 63) != 0 ? page : 0;
  return bytes;
}

#if defined(__linux__)
/// A path of a mapped file, which may have no name.
std::string link_to(const io::MappedFile& file) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code none;
    if (std::filesystem::read_symlink(entry, none) == file.path() + " (deleted)") return entry.path();
  }
  check(false, "the file is not open");
  return "";
}

const Test whole("files are brought into memory without being touched", [] {
  const std::vector files{mapped_file(kBytes, kBytes), mapped_file(kBytes, kBytes)};
  if (!files[0]->populate(0, 1)) return;  // Linux before 5.14
  check(mapped_bytes(*files[1]) == 0 && !files[1]->seems_in_memory(), "nothing is there before");
  const io::ReadAhead reading(files);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const auto done = [&] { return mapped_bytes(*files[0]) + mapped_bytes(*files[1]) == 2 * kBytes; };
  while (!done() && std::chrono::steady_clock::now() < end) ::usleep(1000);
  check(done(), std::to_string(mapped_bytes(*files[0])) + " and " + std::to_string(mapped_bytes(*files[1])) + " bytes");
  check(files[0]->seems_in_memory() && files[1]->seems_in_memory(), "and the system has it");
});

const Test there("a file that is in memory is left alone", [] {
  const auto file = mapped_file(kBytes, kBytes);
  if (!file->populate(0, kBytes)) return;
  const auto again = std::make_shared<const io::MappedFile>(link_to(*file), kBytes);
  check(again->seems_in_memory(), "it is in memory");
  {
    const io::ReadAhead reading({again});
  }
  check(mapped_bytes(*again) == 0, "it was mapped");
});
#endif

const Test part("a part beyond the end is read as far as there is something", [] {
  const auto file = mapped_file(kBytes, kBytes);
  if (!file->populate(0, kBytes)) return;
  check(file->populate(kBytes - 4096 * 16, kBytes), "the last pages");
  check(file->populate(2 * kBytes, kBytes), "nothing at all");
});

const Test cut("a file that was cut short is no harm to who reads it ahead", [] {
  const auto file = mapped_file(kBytes, 4096);
  check(!file->populate(kBytes / 2, kBytes), "what is gone can't be read");
  const io::ReadAhead reading({file});
  check(file->data()[kBytes - 1] == std::byte{0}, "and reads as zeros");
});

const Test early("what is read ahead may be let go of at any time", [] {
  for (int i = 0; i < 50; ++i) {
    auto file = mapped_file(kBytes, kBytes);
    const io::ReadAhead reading({std::move(file)});
  }
});

const Test nothing("nothing is read ahead of no files and of an empty one", [] {
  const io::ReadAhead none({});
  const io::ReadAhead empty({mapped_file(0, 0), mapped_file(4096, 4096)});
});

}  // namespace
}  // namespace punie::tests
