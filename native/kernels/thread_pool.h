#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

namespace punie::kernels {

/// Worker threads that all models of the process share.
///
/// A caller works on its own job and workers join it, so a call ends even if every worker is busy elsewhere, and
/// calls may come from any number of threads, or from within a job. A free worker joins the job with the fewest
/// helpers. Workers start with the first job that wants them; they spin for some microseconds after a job, then
/// sleep. They are never joined: `exit()` while a job runs ends the process with them in it.
class ThreadPool {
 public:
  using Range = void (*)(void* context, int64_t begin, int64_t end);

  /// The pool of the process. It is never destroyed.
  static ThreadPool& shared();

  ThreadPool() = default;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Calls `range` on pieces of at most `grain` that cover [0, count), on the calling thread and up to `threads - 1`
  /// workers, and returns when all are done. The first exception thrown is thrown again here; pieces that had not
  /// begun by then are left out.
  void run(int threads, int64_t count, int64_t grain, Range range, void* context);

  /// Workers started so far.
  int workers() const { return started_.load(std::memory_order_relaxed); }

 private:
  struct Job;

  void start_workers(int wanted);
  void work();
  Job* join_job();
  void leave_job(Job& job);
  void wait_for_job(uint64_t seen);

  std::mutex mutex_;
  std::condition_variable job_added_;
  std::condition_variable helper_left_;
  std::vector<Job*> jobs_;              // guarded by mutex_; each lives on its caller's stack
  int sleeping_ = 0;                    // guarded by mutex_
  std::atomic<uint64_t> additions_{0};  // counts jobs added: what a spinning worker watches
  std::atomic<int> started_{0};
};

/// Where a kernel runs: on `pool` with `threads` threads, the caller's own among them. No pool: on the caller's.
struct Parallel {
  ThreadPool* pool = nullptr;
  int threads = 1;
};

/// Calls `range(begin, end)` on pieces of at most `grain` that cover [0, count); in one piece when run by one thread.
template <class Function>
void parallel_for(const Parallel& parallel, int64_t count, int64_t grain, Function&& range) {
  if (count <= 0) return;
  if (parallel.pool == nullptr || parallel.threads <= 1 || count <= grain) {
    range(int64_t{0}, count);
    return;
  }
  using Callable = std::remove_reference_t<Function>;
  parallel.pool->run(
      parallel.threads, count, grain,
      [](void* context, int64_t begin, int64_t end) { (*static_cast<Callable*>(context))(begin, end); },
      const_cast<void*>(static_cast<const void*>(std::addressof(range))));
}

}  // namespace punie::kernels
