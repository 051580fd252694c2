#include "kernels/thread_pool.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <numeric>
#include <thread>

#include "check.h"
#include "kernels/memory_bandwidth.h"
#include "kernels/usable_cores.h"

#if defined(__linux__)
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#endif

namespace punie::tests {
namespace {

using kernels::Parallel;
using kernels::parallel_for;
using kernels::ThreadPool;

const Test coverage("parallel_for covers every index once, at any grain and thread count", [] {
  for (const int threads : {1, 2, 3, 8})
    for (const int64_t grain : {1, 7, 64, 5000})
      for (const int64_t count : {0, 1, 3, 7, 64, 65, 1000}) {
        std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
        std::atomic<int64_t> largest{0};
        parallel_for({&ThreadPool::shared(), threads}, count, grain, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
          if (threads > 1 && end - begin > grain) largest = end - begin;
        });
        for (const auto& times : seen) check(times == 1, "an index was left out or repeated");
        check(largest == 0, "a piece is larger than the grain");
      }
});

const Test concurrent("jobs of several callers at once all end, with no worker stolen for good", [] {
  std::vector<std::thread> callers;
  std::atomic<int64_t> total{0};
  for (int caller = 0; caller < 6; ++caller)
    callers.emplace_back([&] {
      for (int job = 0; job < 500; ++job)
        parallel_for({&ThreadPool::shared(), 3}, 100, 3, [&](int64_t begin, int64_t end) { total += end - begin; });
    });
  for (std::thread& caller : callers) caller.join();
  check(total == 6 * 500 * 100, "pieces were lost");
});

const Test short_beside_long("a short job ends while a long one holds every worker", [] {
  std::atomic<bool> release{false};
  std::atomic<int> held{0};
  const Parallel two{&ThreadPool::shared(), 2};
  std::thread long_caller([&] {
    parallel_for(two, 2, 1, [&](int64_t, int64_t) {
      ++held;
      while (!release) std::this_thread::yield();
    });
  });
  while (held == 0) std::this_thread::yield();
  std::atomic<int64_t> done{0};
  parallel_for(two, 100, 1, [&](int64_t begin, int64_t end) { done += end - begin; });
  release = true;
  long_caller.join();
  check(done == 100, "the short job did not end");
});

const Test nested("a job may start a job", [] {
  std::atomic<int64_t> total{0};
  const Parallel parallel{&ThreadPool::shared(), 3};
  parallel_for(parallel, 8, 1, [&](int64_t, int64_t) {
    parallel_for(parallel, 10, 1, [&](int64_t begin, int64_t end) { total += end - begin; });
  });
  check(total == 80, "pieces were lost");
});

const Test thread_limit("no more threads work on a job than it asked for", [] {
  parallel_for({&ThreadPool::shared(), 8}, 8, 1, [](int64_t, int64_t) {});
  std::atomic<int> inside{0}, most{0};
  parallel_for({&ThreadPool::shared(), 2}, 200, 1, [&](int64_t, int64_t) {
    const int now = ++inside;
    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
    std::this_thread::yield();
    --inside;
  });
  check(most <= 2, std::to_string(most) + " threads at once");
});

const Test in_order("the steps of a job run one after another, each after all pieces of the one before", [] {
  for (const int threads : {1, 2, 5}) {
    std::atomic<int64_t> done{0};
    std::atomic<bool> early{false};
    std::vector<kernels::Step> steps;
    for (int64_t step = 0; step < 200; ++step) {
      const int64_t before = step * 37;
      steps.push_back({37, 1 + step % 40, [&, before](int64_t begin, int64_t end) {
                         if (done < before) early = true;
                         done += end - begin;
                       }});
    }
    ThreadPool::shared().run(threads, steps);
    check(done == 200 * 37 && !early, std::to_string(threads) + " threads");
  }
});

const Test prefetched(
    "a thread that waits asks for the first items of its share of a later step, and for no more than fit", [] {
      constexpr int64_t count = 100;
      constexpr int64_t item_bytes = 64 << 10;
      std::vector<std::atomic<int>> asked(count), done(count);
      std::atomic<int64_t> items{0};
      const auto wait_for_prefetch = [&](int64_t begin, int64_t) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (begin == 0 && items == 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
      };
      const kernels::Step steps[] = {{2, 1, wait_for_prefetch},
                                     {2, 1, [](int64_t, int64_t) {}},
                                     {count, 1, [&](int64_t begin, int64_t) { ++done[static_cast<size_t>(begin)]; },
                                      [&](int64_t item) {
                                        ++asked[static_cast<size_t>(item)];
                                        ++items;
                                        return item_bytes;
                                      }}};
      ThreadPool::shared().run(2, steps);
      check(items > 0, "nothing was asked for");
      for (const auto& times : done) check(times == 1, "an item was left out or repeated");
      for (size_t item = 0; item < count; ++item) {
        if (asked[item] > 0) check(item % (count / 2) < 4, "item " + std::to_string(item) + " was asked for");
      }
    });

const Test stopped("a job that is told to stop leaves out what had not begun", [] {
  std::atomic<bool> stop{false};
  std::atomic<int> later{0};
  const std::vector<kernels::Step> steps{{8, 1, [&](int64_t, int64_t) { stop = true; }},
                                         {8, 1, [&](int64_t, int64_t) { ++later; }}};
  ThreadPool::shared().run(2, steps, &stop);
  check(later == 0, "a later step ran");
});

const Test shared_fairly("a worker goes from one long job to another that waits", [] {
  // A pool of its own, with one worker; its thread outlives the test.
  static ThreadPool& pool = *std::make_unique<ThreadPool>().release();
  std::atomic<bool> stop{false};
  std::atomic<int> helped[2] = {};
  const auto job = [&](int index) {
    const auto caller = std::this_thread::get_id();
    const kernels::Step step{4, 1, [&, caller](int64_t, int64_t) {
                               if (std::this_thread::get_id() != caller) ++helped[index];
                               const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(50);
                               while (std::chrono::steady_clock::now() < end) {
                               }
                               if (helped[0] > 0 && helped[1] > 0) stop = true;
                             }};
    pool.run(2, std::vector<kernels::Step>(20000, step), &stop);
  };
  std::thread other([&] { job(1); });
  job(0);
  other.join();
  check(helped[0] > 0 && helped[1] > 0, "one job had the worker for itself");
});

const Test thrown("an exception of a piece reaches the caller and leaves the pool usable", [] {
  for (int time = 0; time < 50; ++time) {
    bool caught = false;
    try {
      parallel_for({&ThreadPool::shared(), 3}, 100, 1, [](int64_t begin, int64_t) {
        if (begin == 40) throw std::runtime_error("piece 40");
      });
    } catch (const std::runtime_error& error) {
      caught = std::string(error.what()) == "piece 40";
    }
    check(caught, "the exception was lost");
  }
});

#if defined(__linux__)
const Test idle("an idle pool takes no CPU time", [] {
  parallel_for({&ThreadPool::shared(), 4}, 100, 1, [](int64_t, int64_t) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // past the spinning
  const auto cpu_seconds = [] {
    timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  };
  const double before = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  check(cpu_seconds() - before < 0.1, "threads spin");
});

/// Starts this program again with one argument; its exit code, or -1 if a signal ended it.
int exit_code_with(const char* argument) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);  // a hang ends as a signal
    start_again(argument);
    _exit(99);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

const Test exit_while_busy("exit() while another thread's job runs neither hangs nor crashes", [] {
  for (int time = 0; time < 5; ++time) {
    const int code = exit_code_with("--exit-while-busy");
    check(code == busy_exit_code, "exit code " + std::to_string(code));
  }
});

const Test quota("the CPU quota of cgroups v1 and v2 is found, the parents' too", [] {
  namespace fs = std::filesystem;
  const fs::path mount = fs::temp_directory_path() / ("punie-cgroup-" + std::to_string(getpid()));
  const auto write = [&](const std::string& path, const std::string& text) {
    fs::create_directories((mount / path).parent_path());
    std::ofstream(mount / path) << text;
  };
  const auto quota_of = [&](const std::string& membership) {
    return kernels::cgroup_cpu_quota(membership, mount.string());
  };
  write("box/inner/cpu.max", "max 100000\n");
  write("box/cpu.max", "150000 100000\n");
  write("free/cpu.max", "max 100000\n");
  write("cpu,cpuacct/docker/cpu.cfs_quota_us", "-1\n");
  write("cpu,cpuacct/docker/cpu.cfs_period_us", "100000\n");
  write("cpu,cpuacct/cpu.cfs_quota_us", "300000\n");
  write("cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  const double parent = quota_of("0::/box/inner\n");
  const double none = quota_of("0::/free\n");
  const double v1 = quota_of("5:memory:/docker\n3:cpu,cpuacct:/docker\n1:name=systemd:/\n");
  const double outside = quota_of("3:cpu,cpuacct:/host/path/that/is/not/here\n");
  const double broken = quota_of("\n::\nnonsense\n0:cpuset:/box\n");
  fs::remove_all(mount);
  check(parent == 1.5, "v2 parent: " + std::to_string(parent));
  check(none == 0, "v2 without: " + std::to_string(none));
  check(v1 == 3, "v1: " + std::to_string(v1));
  check(outside == 3, "container's own root: " + std::to_string(outside));
  check(broken == 0, "broken text: " + std::to_string(broken));
});
#endif

const Test cores("usable_cores is at least 1 and no more than the machine has", [] {
  const int cores = kernels::usable_cores();
  check(cores >= 1 && cores <= static_cast<int>(std::thread::hardware_concurrency()), std::to_string(cores));
});

const Test bandwidth("measure_memory_bandwidth gives a rate that memory can have", [] {
  const double rate = kernels::measure_memory_bandwidth(1);
  check(rate > 1e8 && rate < 1e13, std::to_string(rate));
});

}  // namespace

void run_exit_while_busy() {
  static std::atomic<int> pieces{0};
  std::thread([] {
    for (;;) parallel_for({&ThreadPool::shared(), 3}, 1000, 1, [](int64_t, int64_t) { ++pieces; });
  }).detach();
  while (pieces < 1000) std::this_thread::yield();
  std::exit(busy_exit_code);
}

}  // namespace punie::tests
