#include "thread_pool.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <system_error>
#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace punie::kernels {
namespace {

using Clock = std::chrono::steady_clock;

/// For the next step of a job: longer than what one thread does alone between two steps.
constexpr auto step_spin_time = std::chrono::microseconds(100);
/// For the next job: longer than the choice of a token, after which the next forward pass comes.
constexpr auto job_spin_time = std::chrono::microseconds(400);
/// After this a helper leaves a job if another one waits.
constexpr auto helping_time = std::chrono::milliseconds(2);

/// What a thread that waits asks of memory: no more than a core's own second cache has room for.
constexpr int64_t most_prefetched_bytes = 256 << 10;

void pause_cpu() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Spins until `done()`; false when the time is up.
template <class Condition>
bool spin_until(Clock::duration time, Condition done) {
  for (int i = 0; i < 32; ++i) {
    if (done()) return true;
    pause_cpu();
  }
  const auto end = Clock::now() + time;
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      pause_cpu();
    }
  } while (Clock::now() < end);
  return false;
}

// The pieces that a thread has left, [first, last) of a step, in one word, so that they are taken by one comparison:
// the step's number keeps a thread that was held up from taking a piece of a later one.
constexpr int piece_bits = 24;
constexpr uint64_t piece_mask = (uint64_t{1} << piece_bits) - 1;
constexpr int64_t most_pieces = piece_mask;

uint64_t pack(uint32_t step, uint64_t first, uint64_t last) {
  return uint64_t{step & 0xffff} << (2 * piece_bits) | last << piece_bits | first;
}

}  // namespace

struct ThreadPool::Job {
  /// One thread's part of the step.
  struct alignas(64) Slot {
    std::atomic<uint64_t> left{0};
    bool taken = false;  // guarded by the pool's mutex
  };

  Job(std::span<const Step> job_steps, int threads, const std::atomic<bool>* job_stop)
      : steps(job_steps), stop(job_stop), slots(static_cast<size_t>(threads)) {
    slots[0].taken = true;
  }

  /// Of `step`, before the first: a helper that came in time could else do all of it, and be gone on to the next, while
  /// it is still being shared out.
  static constexpr uint32_t not_begun = ~uint32_t{0};

  std::span<const Step> steps;
  const std::atomic<bool>* stop;
  std::vector<Slot> slots;
  /// The step that is shared out; steps.size() once all are done.
  std::atomic<uint32_t> step{not_begun};
  std::atomic<int64_t> done{0};  // pieces of it
  std::atomic<bool> failed{false};
  std::atomic<bool> caller_sleeps{false};
  std::atomic<int> helpers{0};         // raised and lowered under the pool's mutex
  uint64_t left_last = 0;              // guarded by the pool's mutex
  std::exception_ptr error = nullptr;  // guarded by the pool's mutex

  /// Nothing to do here, any more or yet.
  bool idle() const { return step.load(std::memory_order_acquire) >= steps.size(); }
  bool cancelled() const {
    return failed.load(std::memory_order_relaxed) || (stop != nullptr && stop->load(std::memory_order_relaxed));
  }
  int most_helpers() const { return static_cast<int>(slots.size()) - 1; }

  /// Pieces are a step's grain each, or more where there would be too many to count.
  int64_t grain(uint32_t index) const {
    const Step& s = steps[index];
    return std::max<int64_t>({s.grain, int64_t{1}, (s.count + most_pieces - 1) / most_pieces});
  }
  int64_t pieces(uint32_t index) const { return (steps[index].count + grain(index) - 1) / grain(index); }

  void run_piece(uint32_t index, int64_t piece, std::mutex& mutex) {
    if (cancelled()) return;
    const Step& s = steps[index];
    const int64_t size = grain(index);
    try {
      s.run(piece * size, std::min((piece + 1) * size, s.count));
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      failed.store(true, std::memory_order_relaxed);
    }
  }

  /// Takes a slot's first piece, or its last; -1 when it has none of this step.
  static int64_t take(Slot& slot, uint32_t index, bool last) {
    uint64_t word = slot.left.load(std::memory_order_acquire);
    for (;;) {
      const uint64_t from = word & piece_mask, to = word >> piece_bits & piece_mask;
      if (word >> (2 * piece_bits) != (index & 0xffff) || from >= to) return -1;
      const uint64_t taken = last ? pack(index, from, to - 1) : pack(index, from + 1, to);
      if (slot.left.compare_exchange_weak(word, taken, std::memory_order_acq_rel)) {
        return static_cast<int64_t>(last ? to - 1 : from);
      }
    }
  }
  int64_t take(int own, uint32_t index) {
    const auto count = static_cast<int>(slots.size());
    int64_t piece = take(slots[static_cast<size_t>(own)], index, false);
    for (int i = 1; piece < 0 && i < count; ++i)
      piece = take(slots[static_cast<size_t>((own + i) % count)], index, true);
    return piece;
  }

  /// The first piece of a slot's share of a step; of the slot after the last, the number of pieces.
  int64_t first_piece(uint32_t index, int slot) const {
    return pieces(index) * slot / static_cast<int64_t>(slots.size());
  }

  /// Until `done()`, asks memory for the first of a slot's share of the next step that is worth it.
  template <class Condition>
  void prefetch_after(uint32_t index, int slot, Condition done) const {
    do {
      if (++index >= steps.size()) return;
    } while (!steps[index].prefetch);
    const Step& s = steps[index];
    const int64_t end = std::min(first_piece(index, slot + 1) * grain(index), s.count);
    int64_t bytes = 0;
    for (int64_t item = first_piece(index, slot) * grain(index); item < end && bytes < most_prefetched_bytes; ++item) {
      if (done()) return;
      bytes += s.prefetch(item);
    }
  }
};

ThreadPool& ThreadPool::shared() {
  // Released on purpose: at exit, detached workers may still be using it.
  static ThreadPool& pool = *std::make_unique<ThreadPool>().release();
  return pool;
}

void ThreadPool::run(int threads, std::span<const Step> steps, const std::atomic<bool>* stop) {
  int64_t most = 1;
  for (const Step& step : steps) most = std::max(most, step.pieces());
  Job job(steps, static_cast<int>(std::clamp<int64_t>(threads, 1, most)), stop);
  {
    std::lock_guard lock(mutex_);
    start_workers(job.most_helpers());
    jobs_.push_back(&job);
    callers_.store(static_cast<int>(jobs_.size()), std::memory_order_relaxed);
  }
  advance(job, 0);
  participate(job, 0, true);
  {
    std::lock_guard lock(mutex_);
    jobs_.erase(std::find(jobs_.begin(), jobs_.end(), &job));
    callers_.store(static_cast<int>(jobs_.size()), std::memory_order_relaxed);
  }
  const auto alone = [&] { return job.helpers.load(std::memory_order_acquire) == 0; };
  if (!spin_until(step_spin_time, alone)) {
    std::unique_lock lock(mutex_);
    job_changed_.wait(lock, alone);
  }
  // A helper's last touch of the job is its decrement under the mutex: pass through it before the job goes away.
  std::lock_guard lock(mutex_);
  if (job.error) std::rethrow_exception(job.error);
}

/// Shares out `step`, or the next one that is worth it: a step of one piece is done here. Called by one thread at a
/// time, the one that did the last piece of the step before.
void ThreadPool::advance(Job& job, uint32_t step) {
  const auto end = static_cast<uint32_t>(job.steps.size());
  for (; step < end && !job.cancelled(); ++step) {
    const int64_t pieces = job.pieces(step);
    if (pieces > 1) break;
    if (pieces == 1) job.run_piece(step, 0, mutex_);
  }
  if (step >= end || job.cancelled()) {
    job.step.store(end, std::memory_order_seq_cst);
  } else {
    job.done.store(0, std::memory_order_relaxed);
    for (int i = 0; i < static_cast<int>(job.slots.size()); ++i) {
      const auto first = static_cast<uint64_t>(job.first_piece(step, i));
      const auto last = static_cast<uint64_t>(job.first_piece(step, i + 1));
      job.slots[static_cast<size_t>(i)].left.store(pack(step, first, last), std::memory_order_release);
    }
    job.step.store(step, std::memory_order_seq_cst);
    if (job.helpers.load(std::memory_order_relaxed) < job.most_helpers()) {
      additions_.fetch_add(1, std::memory_order_seq_cst);
      if (sleeping_.load(std::memory_order_seq_cst) > 0) {
        std::lock_guard lock(mutex_);
        job_added_.notify_one();
      }
    }
  }
  if (job.caller_sleeps.load(std::memory_order_seq_cst)) {
    std::lock_guard lock(mutex_);
    job_changed_.notify_all();
  }
}

/// Works on the job's steps until all are done; false when a helper left before, for want of work or because another
/// job waits.
bool ThreadPool::participate(Job& job, int slot, bool caller) {
  const auto leaves_at = caller ? Clock::time_point::max() : Clock::now() + helping_time;
  while (!job.idle()) {
    const uint32_t step = job.step.load(std::memory_order_acquire);
    if (step >= job.steps.size()) break;
    int64_t finished = 0;
    for (int64_t piece; (piece = job.take(slot, step)) >= 0; ++finished) job.run_piece(step, piece, mutex_);
    if (finished > 0 && job.done.fetch_add(finished, std::memory_order_acq_rel) + finished == job.pieces(step)) {
      advance(job, step + 1);
    } else if (!wait_for_step(job, slot, step, caller)) {
      return false;
    }
    const bool others_wait = !caller && callers_.load(std::memory_order_relaxed) > 1;
    if (others_wait && Clock::now() >= leaves_at) return false;
  }
  return true;
}

bool ThreadPool::wait_for_step(Job& job, int slot, uint32_t step, bool caller) {
  const auto changed = [&] { return job.step.load(std::memory_order_seq_cst) != step; };
  job.prefetch_after(step, slot, changed);
  if (spin_until(step_spin_time, changed)) return true;
  if (!caller) return false;
  std::unique_lock lock(mutex_);
  job.caller_sleeps.store(true, std::memory_order_seq_cst);
  job_changed_.wait(lock, changed);
  job.caller_sleeps.store(false, std::memory_order_relaxed);
  return true;
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
    int slot = 0;
    if (Job* job = join_job(slot)) {
      const bool finished = participate(*job, slot, false);
      leave_job(*job, slot);
      if (finished || callers_.load(std::memory_order_relaxed) > 1) continue;
    }
    wait_for_job(seen);
  }
}

ThreadPool::Job* ThreadPool::join_job(int& slot) {
  std::lock_guard lock(mutex_);
  Job* best = nullptr;
  for (Job* job : jobs_) {
    if (job->helpers.load(std::memory_order_relaxed) >= job->most_helpers() || job->idle()) continue;
    const auto helped = [](const Job* j) {
      return std::pair(j->helpers.load(std::memory_order_relaxed), j->left_last);
    };
    if (best == nullptr || helped(job) < helped(best)) best = job;
  }
  if (best == nullptr) return nullptr;
  best->helpers.fetch_add(1, std::memory_order_relaxed);
  const auto free = std::find_if(best->slots.begin(), best->slots.end(), [](const auto& s) { return !s.taken; });
  free->taken = true;
  slot = static_cast<int>(free - best->slots.begin());
  return best;
}

void ThreadPool::leave_job(Job& job, int slot) {
  std::lock_guard lock(mutex_);
  job.slots[static_cast<size_t>(slot)].taken = false;
  job.left_last = ++departures_;
  if (job.helpers.fetch_sub(1, std::memory_order_release) == 1) job_changed_.notify_all();
}

void ThreadPool::wait_for_job(uint64_t seen) {
  const auto added = [&] { return additions_.load(std::memory_order_seq_cst) != seen; };
  // More threads than cores would take the time that they spin from those that work.
  const bool spare_core = workers() < static_cast<int>(std::thread::hardware_concurrency());
  if (spare_core && spin_until(job_spin_time, added)) return;
  std::unique_lock lock(mutex_);
  sleeping_.fetch_add(1, std::memory_order_seq_cst);
  job_added_.wait(lock, added);
  sleeping_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace punie::kernels
