#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

namespace punie::kernels {

/// A piece of work that threads share: `run(begin, end)` on pieces of at most `grain` that cover [0, count).
struct Step {
  int64_t count;
  int64_t grain;
  std::function<void(int64_t begin, int64_t end)> run;
  /// Asks memory for what `run` will read of one item, and returns how many bytes that is; may be empty. A thread that
  /// waits for an earlier step to end calls it for items that will be its own, and may be in the middle of it then.
  std::function<int64_t(int64_t item)> prefetch = {};

  int64_t pieces() const { return grain > 0 ? (count + grain - 1) / grain : count; }
};

/// Worker threads that all models of the process share.
///
/// A caller works on its own job and workers join it, so a call ends even if every worker is busy elsewhere, and
/// calls may come from any number of threads, or from within a job. Each thread of a job has a run of neighbouring
/// pieces of every step, in memory's order, and takes others' last ones when its own are done. A free worker joins the
/// job with the fewest helpers, and leaves it for another that waits after some milliseconds. Workers start with the
/// first job that wants them; without work they spin for a fraction of a millisecond, then sleep. They are never
/// joined: `exit()` while a job runs ends the process with them in it.
class ThreadPool {
 public:
  /// The pool of the process. It is never destroyed.
  static ThreadPool& shared();

  ThreadPool() = default;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Runs the steps one after another, each on the calling thread and up to `threads - 1` workers, and returns when
  /// all are done. The first exception thrown is thrown again here; pieces that had not begun by then are left out, as
  /// they are once `stop` (may be null) is true.
  void run(int threads, std::span<const Step> steps, const std::atomic<bool>* stop = nullptr);

  /// Workers started so far.
  int workers() const { return started_.load(std::memory_order_relaxed); }

 private:
  struct Job;

  void start_workers(int wanted);
  void work();
  Job* join_job(int& slot);
  void leave_job(Job& job, int slot);
  void wait_for_job(uint64_t seen);
  void advance(Job& job, uint32_t step);
  bool participate(Job& job, int slot, bool caller);
  bool wait_for_step(Job& job, int slot, uint32_t step, bool caller);

  std::mutex mutex_;
  std::condition_variable job_added_;
  std::condition_variable job_changed_;
  std::vector<Job*> jobs_;              // guarded by mutex_; each lives on its caller's stack
  uint64_t departures_ = 0;             // guarded by mutex_
  std::atomic<int> callers_{0};         // jobs_.size(), for a look without the lock
  std::atomic<int> sleeping_{0};        // raised and lowered under mutex_
  std::atomic<uint64_t> additions_{0};  // counts calls for help: what a spinning worker watches
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
  const Step step{count, grain < 1 ? 1 : grain, std::ref(range)};
  parallel.pool->run(parallel.threads, {&step, 1});
}

}  // namespace punie::kernels
