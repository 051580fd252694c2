#include "io/mapping_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>

namespace punie::io {

/// A guarded range, in a list that the handler walks without a lock. Entries are used again and never freed, so that a
/// handler always stands on a valid one; an odd version means that one is being changed.
struct MappingGuard::Region {
  std::atomic<std::uint32_t> version{0};
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<std::uintptr_t> end{0};
  std::atomic<bool> faulted{false};
  std::atomic<bool> used{false};
  Region* next = nullptr;

  void set(std::uintptr_t from, std::uintptr_t to) {
    version.fetch_add(1);
    begin = from;
    end = to;
    version.fetch_add(1);
  }

  /// The range's end when `address` lies in it, else 0.
  std::uintptr_t end_around(std::uintptr_t address) const {
    const auto before = version.load();
    const auto from = begin.load();
    const auto to = end.load();
    if (before % 2 != 0 || version.load() != before) return 0;
    return from <= address && address < to ? to : 0;
  }
};

/// All guarded ranges of the process.
struct Regions {
  using Region = MappingGuard::Region;

  static inline std::mutex mutex;  // of what changes the list; the handler only reads
  static inline std::atomic<Region*> first{nullptr};
  static inline std::uintptr_t page_bytes = 4096;
  static inline struct sigaction previous{};

  static Region* add(std::uintptr_t begin, std::uintptr_t end) {
    const std::lock_guard lock(mutex);
    install();
    auto* region = first.load();
    while (region != nullptr && region->used) region = region->next;
    if (region == nullptr) {
      region = new Region;
      region->next = first;
      first = region;
    }
    region->used = true;
    region->faulted = false;
    region->set(begin, end);
    return region;
  }

  static void remove(Region* region) {
    const std::lock_guard lock(mutex);
    region->set(0, 0);
    region->used = false;
  }

  static void install() {
    struct sigaction current{};
    if (::sigaction(SIGBUS, nullptr, &current) != 0) return;
    static bool installed = false;
    const bool is_default = current.sa_handler == SIG_DFL || current.sa_handler == SIG_IGN;
    // Another's handler that came after ours may call ours: putting ours over it could go round in circles.
    if (installed && !is_default) return;
    previous = current;
    page_bytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    struct sigaction action{};
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigemptyset(&action.sa_mask);
    installed = ::sigaction(SIGBUS, &action, nullptr) == 0;
  }

  // From here on: what runs in the handler. Atomics and system calls only.

  static void handle(int signal, siginfo_t* info, void* context) {
    const int saved = errno;
    const bool mended = info->si_code > 0 && mend(reinterpret_cast<std::uintptr_t>(info->si_addr));
    errno = saved;
    if (!mended) pass_on(signal, info, context);
  }

  static bool mend(std::uintptr_t address) {
    for (auto* region = first.load(); region != nullptr; region = region->next) {
      const auto end = region->end_around(address);
      if (end == 0) continue;
      // All that follows too: what has been read is worth nothing from here on, and a fault a page would take minutes.
      const auto page = address / page_bytes * page_bytes;
      const auto bytes = (end - page + page_bytes - 1) / page_bytes * page_bytes;
      region->faulted = true;
      return ::mmap(reinterpret_cast<void*>(page), bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
             MAP_FAILED;
    }
    return false;
  }

  static void pass_on(int signal, siginfo_t* info, void* context) {
    const bool sent = info->si_code <= 0;
    if (previous.sa_handler == SIG_IGN && sent) return;
    if (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN) {
      struct sigaction standard{};
      standard.sa_handler = SIG_DFL;
      ::sigaction(signal, &standard, nullptr);
      // A fault happens again on return; one that was sent is sent again, and waits until then.
      if (sent) ::raise(signal);
    } else if ((previous.sa_flags & SA_SIGINFO) != 0) {
      previous.sa_sigaction(signal, info, context);
    } else {
      previous.sa_handler(signal);
    }
  }
};

MappingGuard::MappingGuard(const void* begin, std::size_t bytes)
    : region_(Regions::add(reinterpret_cast<std::uintptr_t>(begin), reinterpret_cast<std::uintptr_t>(begin) + bytes)) {}

MappingGuard::~MappingGuard() { Regions::remove(region_); }

bool MappingGuard::faulted() const { return region_->faulted; }

}  // namespace punie::io
