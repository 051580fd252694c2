// bandwidth THREADS: bytes a second that so many threads together read from memory, the median of nine runs, in one
// JSON line. Compiled by the benchmark, so that a program which shares nothing with punie says what is possible.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

// Many times any cache.
constexpr size_t kBytes = size_t{1} << 30;
constexpr int kRuns = 9;

// Independent sums, which the compiler turns into vectors: a single chain of additions would be slower than memory.
uint64_t Sum(const uint64_t* data, size_t count) {
  uint64_t sums[32] = {};
  for (size_t i = 0; i + 32 <= count; i += 32)
    for (int k = 0; k < 32; ++k) sums[k] += data[i + k];
  uint64_t sum = 0;
  for (uint64_t part : sums) sum += part;
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  const size_t threads = argc > 1 ? std::max(1, std::atoi(argv[1])) : 1;
  const size_t share = kBytes / sizeof(uint64_t) / threads;
  // Written once: pages never touched would all be the same empty one.
  std::vector<uint64_t> data(share * threads, 1);
  std::vector<uint64_t> results(threads * 8);
  std::vector<double> rates;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<std::thread> pool;
    const auto start = std::chrono::steady_clock::now();
    for (size_t t = 0; t < threads; ++t)
      pool.emplace_back([&, t] { results[t * 8] = Sum(data.data() + share * t, share); });
    for (auto& thread : pool) thread.join();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    rates.push_back(static_cast<double>(share * threads * sizeof(uint64_t)) / seconds.count());
  }
  std::sort(rates.begin(), rates.end());
  uint64_t check = 0;
  for (uint64_t result : results) check += result;
  std::printf("{\"bandwidth\": %.0f, \"check\": %llu}\n", rates[kRuns / 2], static_cast<unsigned long long>(check));
}
