#include "memory_bandwidth.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include "thread_pool.h"

namespace punie::kernels {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t words = (int64_t{256} << 20) / 8;  // far more than any cache
constexpr auto duration = std::chrono::milliseconds(250);
constexpr size_t fewest_passes = 3;

uint64_t sum_words(const uint64_t* data, int64_t begin, int64_t end) {
  constexpr int lanes = 16;
  uint64_t sum[lanes] = {};
  for (int64_t i = begin; i + lanes <= end; i += lanes)
    for (int lane = 0; lane < lanes; ++lane) sum[lane] += data[i + lane];
  uint64_t total = 0;
  for (const uint64_t part : sum) total += part;
  return total;
}

}  // namespace

double measure_memory_bandwidth(int threads) {
  threads = std::max(threads, 1);
  const Parallel parallel{&ThreadPool::shared(), threads};
  const auto start = Clock::now();
  const std::vector<uint64_t> data(words, 1);
  std::vector<double> rates;
  std::atomic<uint64_t> total{0};
  do {
    const auto pass = Clock::now();
    parallel_for(parallel, words, (words + threads - 1) / threads, [&](int64_t begin, int64_t end) {
      total.fetch_add(sum_words(data.data(), begin, end), std::memory_order_relaxed);
    });
    rates.push_back(words * 8.0 / std::chrono::duration<double>(Clock::now() - pass).count());
  } while (rates.size() < fewest_passes || Clock::now() - start < duration);
  std::nth_element(rates.begin(), rates.begin() + static_cast<std::ptrdiff_t>(rates.size() / 2), rates.end());
  // The sum is looked at so that no compiler leaves the reads out.
  return total.load() == 0 ? 0 : rates[rates.size() / 2];
}

}  // namespace punie::kernels
