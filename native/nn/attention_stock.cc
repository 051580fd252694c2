#include <cmath>

#include "nn/attention.h"

namespace punie::nn {

namespace {

/// Rows [begin, begin + count) of x [rows, heads * dim] as [1, heads, count, dim].
mx::array heads_of(const mx::array& x, int begin, int count, int heads, int dim, const mx::Stream& s) {
  const auto rows = mx::slice(x, {begin, 0}, {begin + count, heads * dim}, s);
  return mx::transpose(mx::reshape(rows, {1, count, heads, dim}, s), {0, 2, 1, 3}, s);
}

/// Writes `update` [1, heads, count, dim] at `position` of `store`, which grows as needed, and returns all up to it.
mx::array append(std::optional<mx::array>& store, const mx::array& update, int position, const mx::Stream& s) {
  const int heads = update.shape(1);
  const int count = update.shape(2);
  const int dim = update.shape(3);
  const int end = position + count;
  const auto capacity = store ? store->shape(2) : 0;
  const auto wanted = static_cast<int>(KvCache::grown(capacity, end));
  if (!store) {
    store = mx::zeros({1, heads, wanted, dim}, update.dtype(), s);
  } else if (wanted > capacity) {
    store = mx::concatenate({*store, mx::zeros({1, heads, wanted - capacity, dim}, update.dtype(), s)}, 2, s);
  }
  store = mx::slice_update(*store, update, mx::Shape{0, 0, position, 0}, mx::Shape{1, heads, end, dim}, s);
  return mx::slice(*store, {0, 0, 0, 0}, {1, heads, end, dim}, s);
}

}  // namespace

Tensor Attention::attend_stock(Pass& pass, const Rope& rope, const Tensor& q, const Tensor& k, const Tensor& v,
                               std::int64_t layer) const {
  const auto& runtime = pass.runtime();
  const auto& s = runtime.stream;
  const auto dim = static_cast<int>(head_dim);
  const float scale = 1 / std::sqrt(static_cast<float>(head_dim));
  std::vector<mx::array> outputs;
  int begin = 0;
  for (const auto& segment : pass.batch().segments) {
    const auto count = static_cast<int>(segment.count);
    const auto position = static_cast<int>(segment.cache->length());
    auto& cache = segment.cache->stock_layer(layer);
    const auto queries =
        rope.stock(runtime, heads_of(q.array(), begin, count, static_cast<int>(heads), dim, s), position);
    const auto keys =
        rope.stock(runtime, heads_of(k.array(), begin, count, static_cast<int>(kv_heads), dim, s), position);
    const auto values = heads_of(v.array(), begin, count, static_cast<int>(kv_heads), dim, s);
    const auto all_keys = append(cache.keys, keys, position, s);
    const auto all_values = append(cache.values, values, position, s);
    const auto attended = mx::fast::scaled_dot_product_attention(
        queries, all_keys, all_values, scale, count > 1 ? "causal" : "", std::nullopt, std::nullopt, false, s);
    outputs.push_back(mx::reshape(mx::transpose(attended, {0, 2, 1, 3}, s), {count, static_cast<int>(heads) * dim}, s));
    begin += count;
  }
  return Tensor(outputs.size() == 1 ? outputs[0] : mx::concatenate(outputs, 0, s));
}

}  // namespace punie::nn
