#include "io/mapped_file.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>

#include "check.h"
#include "error.h"
#include "temporary_file.h"

namespace punie::tests {
namespace {

constexpr std::size_t kPages = 64;

/// A file of ones.
class FileOfOnes : public TemporaryFile {
 public:
  FileOfOnes() : TemporaryFile(0), page_(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))) {
    const std::vector<char> ones(bytes(), 1);
    check(::write(descriptor(), ones.data(), ones.size()) == static_cast<ssize_t>(ones.size()), "the file is written");
  }
  std::size_t page() const { return page_; }
  std::size_t bytes() const { return kPages * page_; }

 private:
  std::size_t page_;
};

std::size_t sum(const io::MappedFile& file) {
  std::size_t total = 0;
  for (std::size_t i = 0; i < file.size(); ++i) total += static_cast<std::size_t>(file.data()[i]);
  return total;
}

std::string failure_of(const io::MappedFile& file) {
  try {
    file.check();
    return "";
  } catch (const Error& error) {
    return error.code() + " " + error.what();
  }
}

/// How a child process that runs this ends: its exit code, or minus the signal.
int end_of(const std::function<void()>& run) {
  const auto child = ::fork();
  if (child == 0) {
    run();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/// Reads a page that lies beyond the end of a file mapped without a guard.
void read_beyond_the_end(const FileOfOnes& file) {
  const auto* at =
      static_cast<const volatile char*>(::mmap(nullptr, file.bytes(), PROT_READ, MAP_PRIVATE, file.descriptor(), 0));
  file.resize(0);
  static_cast<void>(at[file.bytes() - 1]);  // volatile: it is read
}

void use_default_handler() { ::signal(SIGBUS, SIG_DFL); }

const Test whole("a mapped file that is as it was passes its check", [] {
  const FileOfOnes file;
  const io::MappedFile mapped(file.path(), file.bytes());
  check(sum(mapped) == file.bytes(), "it reads as it was written");
  check(failure_of(mapped).empty(), failure_of(mapped));
});

const Test cut("a file cut short while mapped reads as zeros and fails its check", [] {
  const FileOfOnes file;
  const io::MappedFile mapped(file.path(), file.bytes());
  file.resize(file.page() * 3);
  check(sum(mapped) == file.page() * 3, "what is left reads as it was, the rest as zeros");
  check(failure_of(mapped).starts_with("MODEL_CORRUPT"), failure_of(mapped));
  check(failure_of(mapped).find("was cut short") != std::string::npos, failure_of(mapped));
});

const Test cut_and_grown("a file cut short and made longer again fails its check once a page could not be read", [] {
  const FileOfOnes file;
  const io::MappedFile mapped(file.path(), file.bytes());
  file.resize(0);
  check(sum(mapped) == 0, "it reads as zeros");
  file.resize(file.bytes());
  check(failure_of(mapped).starts_with("MODEL_CORRUPT"), failure_of(mapped));
});

const Test threads("threads that meet the missing pages at once all go on", [] {
  for (int round = 0; round < 20; ++round) {
    const FileOfOnes file;
    const io::MappedFile mapped(file.path(), file.bytes());
    std::vector<std::jthread> readers;
    for (int i = 0; i < 4; ++i) readers.emplace_back([&] { static_cast<void>(sum(mapped)); });
    file.resize(file.page());
    static_cast<void>(sum(mapped));
  }
});

const Test fresh("a file is mapped anew after another was cut short", [] {
  {
    const FileOfOnes file;
    const io::MappedFile mapped(file.path(), file.bytes());
    file.resize(0);
    static_cast<void>(sum(mapped));
  }
  const FileOfOnes file;
  const io::MappedFile mapped(file.path(), file.bytes());
  check(sum(mapped) == file.bytes(), "it reads as it was written");
  check(failure_of(mapped).empty(), failure_of(mapped));
});

const Test removed("a file that was removed reads as it was", [] {
  const auto file = std::make_unique<FileOfOnes>();
  const auto bytes = file->bytes();
  const io::MappedFile mapped(file->path(), bytes);
  file->remove_name();
  check(sum(mapped) == bytes, "it reads as it was written");
  check(failure_of(mapped).empty(), failure_of(mapped));
});

const Test foreign("SIGBUS from memory that is not ours ends the process, as without us", [] {
  const FileOfOnes file;
  const FileOfOnes other;
  const auto end = end_of([&] {
    use_default_handler();
    const io::MappedFile mapped(other.path(), other.bytes());
    read_beyond_the_end(file);
  });
  check(end == -SIGBUS, "it ended with " + std::to_string(end));
});

const Test sent("SIGBUS that was sent ends the process, as without us", [] {
  const FileOfOnes file;
  const auto end = end_of([&] {
    use_default_handler();
    const io::MappedFile mapped(file.path(), file.bytes());
    ::kill(::getpid(), SIGBUS);
    ::sleep(10);
  });
  check(end == -SIGBUS, "it ended with " + std::to_string(end));
});

#if defined(__linux__)
const Test earlier("a handler that was there before gets what is not ours, and only that", [] {
  // A new process image: in this one, a handler of ours has been there from the first test on.
  const auto end = end_of([] {
    start_again("--own-bus-handler");
    ::_exit(99);
  });
  check(end == own_handler_exit_code, "it ended with " + std::to_string(end));
});
#endif

}  // namespace

void run_with_own_bus_handler() {
  static volatile sig_atomic_t expected = 0;
  struct sigaction action{};
  action.sa_sigaction = [](int, siginfo_t*, void*) { ::_exit(expected != 0 ? own_handler_exit_code : 1); };
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
  const FileOfOnes file;
  const FileOfOnes other;
  const io::MappedFile mapped(other.path(), other.bytes());
  file.remove_name();
  other.remove_name();
  other.resize(0);
  if (sum(mapped) != 0) ::_exit(2);
  expected = 1;
  ::alarm(20);
  read_beyond_the_end(file);
  ::_exit(3);
}

}  // namespace punie::tests
