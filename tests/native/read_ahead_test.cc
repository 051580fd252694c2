#include "io/read_ahead.h"

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "check.h"
#include "temporary_file.h"

namespace punie::tests {
namespace {

constexpr std::size_t kBytes = std::size_t{20} << 20;  // some windows and a part of one

std::shared_ptr<const io::MappedFile> map(const TemporaryFile& file) {
  return std::make_shared<const io::MappedFile>(file.path(), kBytes);
}

/// QEMU takes what a program asks of memory for done and does nothing.
bool emulated() { return std::getenv("PUNIE_TEST_EMULATOR") != nullptr; }

#if defined(__linux__)
/// Whether the system brings in what it is asked for: Linux before 5.14 does not.
bool populates(const io::MappedFile& file, std::size_t bytes) { return !emulated() && file.populate(0, bytes); }

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

const Test whole("files are brought into memory without being touched", [] {
  const TemporaryFile one(kBytes), other(kBytes);
  const std::vector files{map(one), map(other)};
  if (!populates(*files[0], 1)) return;
  check(mapped_bytes(*files[1]) == 0 && !files[1]->seems_in_memory(), "nothing is there before");
  const io::ReadAhead reading(files);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const auto done = [&] { return mapped_bytes(*files[0]) + mapped_bytes(*files[1]) == 2 * kBytes; };
  while (!done() && std::chrono::steady_clock::now() < end) ::usleep(1000);
  check(done(), std::to_string(mapped_bytes(*files[0])) + " and " + std::to_string(mapped_bytes(*files[1])) + " bytes");
  check(files[0]->seems_in_memory() && files[1]->seems_in_memory(), "and the system has it");
});

const Test there("a file that is in memory is left alone", [] {
  const TemporaryFile file(kBytes);
  // Where others want memory, the system may let go of it in between.
  std::string found;
  for (int i = 0; i < 20; ++i) {
    if (!populates(*map(file), kBytes)) return;
    const auto again = map(file);
    found = "it is not in memory";
    if (!again->seems_in_memory()) continue;
    {
      const io::ReadAhead reading({again});
    }
    if (mapped_bytes(*again) == 0) return;
    found = "it was mapped";
  }
  check(false, found);
});
#endif

const Test part("a part beyond the end is read as far as there is something", [] {
  const TemporaryFile zeros(kBytes);
  const auto file = map(zeros);
  if (!file->populate(0, kBytes)) return;
  check(file->populate(kBytes - 4096 * 16, kBytes), "the last pages");
  check(file->populate(2 * kBytes, kBytes), "nothing at all");
});

const Test cut("a file that was cut short is no harm to who reads it ahead", [] {
  const TemporaryFile zeros(kBytes);
  const auto file = map(zeros);
  zeros.resize(4096);
  check(emulated() || !file->populate(kBytes / 2, kBytes), "what is gone can't be read");
  const io::ReadAhead reading({file});
  check(file->data()[kBytes - 1] == std::byte{0}, "and reads as zeros");
});

const Test early("what is read ahead may be let go of at any time", [] {
  for (int i = 0; i < 50; ++i) {
    const TemporaryFile file(kBytes);
    const io::ReadAhead reading({map(file)});
  }
});

const Test nothing("nothing is read ahead of no files and of an empty one", [] {
  const io::ReadAhead none({});
  const TemporaryFile nothing(0), page(4096);
  const io::ReadAhead empty({std::make_shared<const io::MappedFile>(nothing.path(), 0),
                             std::make_shared<const io::MappedFile>(page.path(), 4096)});
});

}  // namespace
}  // namespace punie::tests
