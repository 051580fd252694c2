#include "thread_pool.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace punie::kernels {
namespace {

// Longer than the gap between two kernels of a forward pass, shorter than anyone would notice in a profile.
constexpr auto spin_time = std::chrono::microseconds(50);

void pause_cpu() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Spins until `done()`; false when the time is up.
template <class Condition>
bool spin_until(Condition done) {
  const auto end = std::chrono::steady_clock::now() + spin_time;
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      pause_cpu();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace

struct ThreadPool::Job {
  Range range;
  void* context;
  int64_t count;
  int64_t grain;
  int max_helpers;
  std::atomic<int64_t> next{0};
  std::atomic<int> helpers{0};         // raised under the pool's mutex only
  std::exception_ptr error = nullptr;  // guarded by the pool's mutex

  bool exhausted() const { return next.load(std::memory_order_relaxed) >= count; }

  void work(std::mutex& mutex) {
    try {
      while (!exhausted()) {
        const int64_t begin = next.fetch_add(grain, std::memory_order_relaxed);
        if (begin >= count) return;
        range(context, begin, std::min(begin + grain, count));
      }
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      next.store(count, std::memory_order_relaxed);
    }
  }
};

ThreadPool& ThreadPool::shared() {
  // Released on purpose: at exit, detached workers may still be using it.
  static ThreadPool& pool = *std::make_unique<ThreadPool>().release();
  return pool;
}

void ThreadPool::run(int threads, int64_t count, int64_t grain, Range range, void* context) {
  grain = std::max<int64_t>(grain, 1);
  const int64_t pieces = (count + grain - 1) / grain;
  Job job{range, context, count, grain, static_cast<int>(std::min<int64_t>(threads, pieces)) - 1};
  {
    std::lock_guard lock(mutex_);
    start_workers(job.max_helpers);
    jobs_.push_back(&job);
    additions_.fetch_add(1, std::memory_order_release);
    for (int i = 0; i < std::min(sleeping_, job.max_helpers); ++i) job_added_.notify_one();
  }
  job.work(mutex_);
  {
    std::lock_guard lock(mutex_);
    jobs_.erase(std::find(jobs_.begin(), jobs_.end(), &job));
  }
  const auto alone = [&] { return job.helpers.load(std::memory_order_acquire) == 0; };
  if (!spin_until(alone)) {
    std::unique_lock lock(mutex_);
    helper_left_.wait(lock, alone);
  }
  // A helper's last touch of the job is its decrement under the mutex: pass through it before the job goes away.
  std::lock_guard lock(mutex_);
  if (job.error) std::rethrow_exception(job.error);
}

void ThreadPool::start_workers(int wanted) {
  while (workers() < wanted) {
    try {
      std::thread([this] { work(); }).detach();
    } catch (const std::system_error&) {
      return;  // no more threads to be had: the caller does the work with those there are
    }
    started_.fetch_add(1, std::memory_order_relaxed);
  }
}

void ThreadPool::work() {
  for (;;) {
    const uint64_t seen = additions_.load(std::memory_order_acquire);
    if (Job* job = join_job()) {
      job->work(mutex_);
      leave_job(*job);
    } else {
      wait_for_job(seen);
    }
  }
}

ThreadPool::Job* ThreadPool::join_job() {
  std::lock_guard lock(mutex_);
  Job* best = nullptr;
  for (Job* job : jobs_) {
    const int helpers = job->helpers.load(std::memory_order_relaxed);
    if (helpers >= job->max_helpers || job->exhausted()) continue;
    if (best == nullptr || helpers < best->helpers.load(std::memory_order_relaxed)) best = job;
  }
  if (best != nullptr) best->helpers.fetch_add(1, std::memory_order_relaxed);
  return best;
}

void ThreadPool::leave_job(Job& job) {
  std::lock_guard lock(mutex_);
  if (job.helpers.fetch_sub(1, std::memory_order_release) == 1) helper_left_.notify_all();
}

void ThreadPool::wait_for_job(uint64_t seen) {
  const auto added = [&] { return additions_.load(std::memory_order_acquire) != seen; };
  // More threads than cores would take the time that they spin from those that work.
  const bool spare_core = workers() < static_cast<int>(std::thread::hardware_concurrency());
  if (spare_core && spin_until(added)) return;
  std::unique_lock lock(mutex_);
  ++sleeping_;
  job_added_.wait(lock, added);
  --sleeping_;
}

}  // namespace punie::kernels
