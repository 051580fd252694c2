#include "kernels/attention.h"

#include <cstring>

#include "check.h"
#include "stored_cache.h"

namespace punie::tests {
namespace {

using kernels::KeyValueCache;
using kernels::Parallel;
using kernels::ThreadPool;

struct Case {
  int64_t n, heads, kv_heads, head_dim, first_position, window = 0;
};

/// One query's output in doubles.
std::vector<double> attend(const float* q, const StoredCache& cache, int64_t kv_head, int64_t first, int64_t keys,
                           double scale) {
  const int64_t head_dim = cache.view.head_dim;
  std::vector<double> scores(static_cast<size_t>(keys)), output(static_cast<size_t>(head_dim));
  double largest = -INFINITY, sum = 0;
  for (size_t k = 0; k < scores.size(); ++k) {
    if (static_cast<int64_t>(k) < first) {
      scores[k] = -INFINITY;
      continue;
    }
    for (int64_t d = 0; d < head_dim; ++d) scores[k] += q[d] * cache.key(kv_head, static_cast<int64_t>(k), d);
    largest = std::max(largest, scores[k] *= scale);
  }
  for (double& score : scores) sum += score = std::exp(score - largest);
  for (size_t k = 0; k < scores.size(); ++k)
    for (size_t d = 0; d < output.size(); ++d) {
      output[d] += scores[k] / sum * cache.value(kv_head, static_cast<int64_t>(k), static_cast<int64_t>(d));
    }
  return output;
}

void check_case(const Case& c, const std::string& isa) {
  const std::string what = isa + ", n " + std::to_string(c.n) + ", heads " + std::to_string(c.heads) + "/" +
                           std::to_string(c.kv_heads) + " of " + std::to_string(c.head_dim) + ", from " +
                           std::to_string(c.first_position) + ", window " + std::to_string(c.window);
  const StoredCache cache(c.first_position + c.n, c.kv_heads, c.head_dim, 4);
  const int64_t row = c.heads * c.head_dim;
  const std::vector<float> q = Random(6).floats(c.n * row, -2, 2);
  const float scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim));
  std::vector<float> y(q.size(), NAN), threaded(y), alone(static_cast<size_t>(row));
  kernels::attention(q.data(), c.n, c.heads, cache.view, c.first_position, c.window, scale, y.data(), {});
  kernels::attention(q.data(), c.n, c.heads, cache.view, c.first_position, c.window, scale, threaded.data(),
                     {&ThreadPool::shared(), 3});
  check(std::memcmp(y.data(), threaded.data(), y.size() * 4) == 0, what + ": threads give other bits");
  for (int64_t i = 0; i < c.n; ++i) {
    for (int64_t h = 0; h < c.heads; ++h) {
      const int64_t at = i * row + h * c.head_dim;
      const int64_t keys = c.first_position + i + 1;
      const int64_t first = c.window > 0 ? std::max<int64_t>(0, keys - c.window) : 0;
      const std::vector<double> wanted = attend(q.data() + at, cache, h / (c.heads / c.kv_heads), first, keys, scale);
      for (int64_t d = 0; d < c.head_dim; ++d)
        check(std::abs(y[static_cast<size_t>(at + d)] - wanted[static_cast<size_t>(d)]) <= 2e-6,
              what + ": row " + std::to_string(i) + ", head " + std::to_string(h) + ", element " + std::to_string(d));
    }
    for (const int threads : {1, 2}) {
      kernels::attention(q.data() + i * row, 1, c.heads, cache.view, c.first_position + i, c.window, scale,
                         alone.data(), {&ThreadPool::shared(), threads});
      check(std::memcmp(alone.data(), y.data() + i * row, alone.size() * 4) == 0,
            what + ": row " + std::to_string(i) + " has other bits when alone on " + std::to_string(threads));
    }
  }
}

const Test head_shapes("attention is float32-exact for 1 to 8 query heads per key head and odd head sizes", [] {
  for_each_isa([](const std::string& isa) {
    for (const int64_t group : {1, 2, 3, 7, 8})
      for (const int64_t head_dim : {4, 8, 20, 64, 80, 128}) check_case({5, group * 2, 2, head_dim, 30}, isa);
  });
});

const Test lengths("attention sees its own and earlier positions only, at any length and prompt chunk", [] {
  for_each_isa([](const std::string& isa) {
    for (const int64_t first : {0, 1, 6, 7, 31, 32, 33, 511, 512, 1300})
      for (const int64_t n : {1, 3, 7, 33}) check_case({n, 4, 2, 16, first}, isa);
  });
});

const Test windows("attention with a window sees the nearest positions only", [] {
  for_each_isa([](const std::string& isa) {
    for (const int64_t window : {1, 5, 16, 64, 65, 512, 600})
      for (const int64_t first : {0, 63, 511, 1100})
        for (const int64_t n : {1, 40}) check_case({n, 4, 2, 16, first, window}, isa);
  });
});

const Test extremes("attention's softmax stands scores of hundreds", [] {
  for_each_isa([](const std::string& isa) {
    StoredCache cache(3, 1, 8, 1);
    const float first[] = {300, -300, 299};
    for (int k = 0; k < 3; ++k) {
      const float key[8] = {first[k]}, value[8] = {static_cast<float>(k + 1)};
      kernels::store_key_value(cache.view, 0, k, key, value);
    }
    const float q[8] = {1};
    float y[8];
    kernels::attention(q, 1, 1, cache.view, 2, 0, 1.0f, y, {});
    const double second = std::exp(cache.key(0, 2, 0) - cache.key(0, 0, 0));
    check(std::abs(y[0] - (1 + 3 * second) / (1 + second)) < 1e-5, isa + ": " + std::to_string(y[0]));
  });
});

const Test rounding("the cache rounds keys and values to 1/65534 of their largest element", [] {
  StoredCache cache(40, 2, 20, 3);
  const std::vector<float> key = Random(8).floats(20, -50, 50), value = Random(9).floats(20, -1e-3f, 1e-3f);
  kernels::store_key_value(cache.view, 1, 37, key.data(), value.data());
  for (int64_t d = 0; d < 20; ++d) {
    check(std::abs(cache.key(1, 37, d) - key[static_cast<size_t>(d)]) <= 50.0 / 65534 * 1.001, "key");
    check(std::abs(cache.value(1, 37, d) - value[static_cast<size_t>(d)]) <= 1e-3 / 65534 * 1.001, "value");
  }
});

const Test broken("a key or value that is not finite makes attention's result not finite", [] {
  for_each_isa([](const std::string& isa) {
    for (const bool in_key : {true, false}) {
      StoredCache cache(3, 1, 16, 1);
      std::vector<float> key(16, 1.0f), value(16, 1.0f);
      (in_key ? key : value)[5] = NAN;
      kernels::store_key_value(cache.view, 0, 1, key.data(), value.data());
      const std::vector<float> q(16, 1.0f);
      float y[16];
      kernels::attention(q.data(), 1, 1, cache.view, 2, 0, 1.0f, y, {});
      check(!std::isfinite(y[0]), isa);
    }
  });
});

}  // namespace
}  // namespace punie::tests
