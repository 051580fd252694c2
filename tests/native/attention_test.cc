#include "kernels/attention.h"

#include <cstring>

#include "check.h"

namespace punie::tests {
namespace {

using kernels::KeyValueView;
using kernels::Parallel;
using kernels::ThreadPool;

struct Case {
  int64_t n, heads, kv_heads, head_dim, first_position;
};

/// Keys and values of `positions` positions, and beyond them, up to the capacity, NaN that nobody may look at.
struct Cache {
  Cache(int64_t positions, int64_t kv_heads, int64_t head_dim, uint64_t seed) {
    const int64_t capacity = positions + 5;
    Random random(seed);
    keys.assign(static_cast<size_t>(kv_heads * capacity * head_dim), NAN);
    values = keys;
    for (int64_t h = 0; h < kv_heads; ++h)
      for (int64_t i = h * capacity * head_dim; i < (h * capacity + positions) * head_dim; ++i) {
        keys[static_cast<size_t>(i)] = random.uniform(-2, 2);
        values[static_cast<size_t>(i)] = random.uniform(-1, 1);
      }
    view = {keys.data(), values.data(), capacity, kv_heads, head_dim};
  }

  std::vector<float> keys, values;
  KeyValueView view;
};

/// One query's output in doubles.
std::vector<double> attend(const float* q, const KeyValueView& cache, int64_t kv_head, int64_t keys, double scale) {
  const float* key = cache.keys + kv_head * cache.capacity * cache.head_dim;
  const float* value = cache.values + kv_head * cache.capacity * cache.head_dim;
  std::vector<double> scores(static_cast<size_t>(keys)), output(static_cast<size_t>(cache.head_dim));
  double largest = -INFINITY, sum = 0;
  for (size_t k = 0; k < scores.size(); ++k) {
    for (int64_t d = 0; d < cache.head_dim; ++d)
      scores[k] += double{q[d]} * key[static_cast<int64_t>(k) * cache.head_dim + d];
    largest = std::max(largest, scores[k] *= scale);
  }
  for (double& score : scores) sum += score = std::exp(score - largest);
  for (size_t k = 0; k < scores.size(); ++k)
    for (size_t d = 0; d < output.size(); ++d) output[d] += scores[k] / sum * value[k * output.size() + d];
  return output;
}

void check_case(const Case& c, const std::string& isa) {
  const std::string what = isa + ", n " + std::to_string(c.n) + ", heads " + std::to_string(c.heads) + "/" +
                           std::to_string(c.kv_heads) + " of " + std::to_string(c.head_dim) + ", from " +
                           std::to_string(c.first_position);
  const Cache cache(c.first_position + c.n, c.kv_heads, c.head_dim, 4);
  const int64_t row = c.heads * c.head_dim;
  const std::vector<float> q = Random(6).floats(c.n * row, -2, 2);
  const float scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim));
  std::vector<float> y(q.size(), NAN), threaded(y), alone(static_cast<size_t>(row));
  kernels::attention(q.data(), c.n, c.heads, cache.view, c.first_position, scale, y.data(), {});
  kernels::attention(q.data(), c.n, c.heads, cache.view, c.first_position, scale, threaded.data(),
                     {&ThreadPool::shared(), 3});
  check(std::memcmp(y.data(), threaded.data(), y.size() * 4) == 0, what + ": threads give other bits");
  for (int64_t i = 0; i < c.n; ++i) {
    for (int64_t h = 0; h < c.heads; ++h) {
      const int64_t at = i * row + h * c.head_dim;
      const std::vector<double> wanted =
          attend(q.data() + at, cache.view, h / (c.heads / c.kv_heads), c.first_position + i + 1, scale);
      for (int64_t d = 0; d < c.head_dim; ++d)
        check(std::abs(y[static_cast<size_t>(at + d)] - wanted[static_cast<size_t>(d)]) <= 2e-6,
              what + ": row " + std::to_string(i) + ", head " + std::to_string(h) + ", element " + std::to_string(d));
    }
    for (const int threads : {1, 2}) {
      kernels::attention(q.data() + i * row, 1, c.heads, cache.view, c.first_position + i, scale, alone.data(),
                         {&ThreadPool::shared(), threads});
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

const Test extremes("attention's softmax stands scores of hundreds", [] {
  for_each_isa([](const std::string& isa) {
    const float keys[] = {300, 0, 0, 0, 0, 0, 0, 0, -300, 0, 0, 0, 0, 0, 0, 0, 299, 0, 0, 0, 0, 0, 0, 0};
    float values[24] = {};
    for (int k = 0; k < 3; ++k) values[k * 8] = static_cast<float>(k + 1);
    const float q[8] = {1};
    float y[8];
    kernels::attention(q, 1, 1, {keys, values, 3, 1, 8}, 2, 1.0f, y, {});
    const double second = std::exp(-1.0);
    check(std::abs(y[0] - (1 + 3 * second) / (1 + second)) < 1e-6, isa + ": " + std::to_string(y[0]));
  });
});

}  // namespace
}  // namespace punie::tests
