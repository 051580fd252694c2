#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

namespace punie::engine {

/// Cuts a forward pass short. Other threads say that the engine stops, or that a request is cancelled; the pool
/// that runs the pass's steps looks at the flag and leaves out the rest. A pass of tokens serves several requests and
/// is short, so only one over a prompt, which is one request's, is cut by a cancellation.
class Interrupt {
 public:
  /// What the kernels look at.
  const std::atomic<bool>& flag() const { return flag_; }

  void begin_pass(std::optional<std::int64_t> prompt_of) {
    const std::lock_guard lock(mutex_);
    prompt_of_ = prompt_of;
  }

  /// True when the pass was cut short: what it computed is worthless.
  bool end_pass() {
    const std::lock_guard lock(mutex_);
    prompt_of_.reset();
    const bool cut = flag_;
    flag_ = stopped_;
    return cut;
  }

  void cancel(std::int64_t request) {
    const std::lock_guard lock(mutex_);
    if (prompt_of_ == request) flag_ = true;
  }

  /// For good.
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    flag_ = true;
  }

 private:
  std::mutex mutex_;
  std::atomic<bool> flag_{false};
  bool stopped_ = false;                   // guarded by mutex_
  std::optional<std::int64_t> prompt_of_;  // guarded by mutex_
};

}  // namespace punie::engine
