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
mx::array append(const KvCache& cache, std::optional<mx::array>& store, const mx::array& update, int position,
                 const mx::Stream& s) {
  const int heads = update.shape(1);
  const int count = update.shape(2);
  const int dim = update.shape(3);
  const int end = position + count;
  const auto capacity = store ? store->shape(2) : 0;
  const auto wanted = static_cast<int>(cache.grown(capacity, end));
  if (!store) {
    store = mx::zeros({1, heads, wanted, dim}, update.dtype(), s);
  } else if (wanted > capacity) {
    store = mx::concatenate({*store, mx::zeros({1, heads, wanted - capacity, dim}, update.dtype(), s)}, 2, s);
  }
  store = mx::slice_update(*store, update, mx::Shape{0, 0, position, 0}, mx::Shape{1, heads, end, dim}, s);
  return mx::slice(*store, {0, 0, 0, 0}, {1, heads, end, dim}, s);
}

/// Which of the positions so far [position + count] each of `count` rows sees: [count, position + count].
mx::array window_mask(int position, int count, int window, const mx::Stream& s) {
  const auto row = mx::expand_dims(mx::arange(position, position + count, mx::int32, s), 1, s);
  const auto key = mx::expand_dims(mx::arange(0, position + count, mx::int32, s), 0, s);
  const auto near = mx::less(mx::subtract(row, key, s), mx::array(window), s);
  return mx::logical_and(mx::greater_equal(row, key, s), near, s);
}

}  // namespace

Tensor Attention::attend_stock(Pass& pass, const Rope& rope, const Tensor& q, const Tensor& k, const Tensor& v,
                               std::int64_t layer) const {
  const auto& runtime = pass.runtime();
  const auto& s = runtime.stream;
  const auto dim = static_cast<int>(head_dim);
  const float scale = 1 / std::sqrt(static_cast<float>(head_dim));
  const auto heads_at = [&](const Tensor& x, int begin, int count, std::int64_t width,
                            const std::optional<RmsNorm>& norm) {
    const auto split = heads_of(x.array(), begin, count, static_cast<int>(width), dim, s);
    return norm ? mx::fast::rms_norm(split, norm->weight, norm->eps, s) : split;
  };
  std::vector<mx::array> outputs;
  int begin = 0;
  for (const auto& segment : pass.batch().segments) {
    const auto count = static_cast<int>(segment.count);
    const auto position = static_cast<int>(segment.cache->length());
    auto& cache = segment.cache->stock_layer(layer);
    const auto queries = rope.stock(runtime, heads_at(q, begin, count, heads, q_norm), position);
    const auto keys = rope.stock(runtime, heads_at(k, begin, count, kv_heads, k_norm), position);
    const auto values = heads_at(v, begin, count, kv_heads, std::nullopt);
    const auto all_keys = append(*segment.cache, cache.keys, keys, position, s);
    const auto all_values = append(*segment.cache, cache.values, values, position, s);
    const bool windowed = window > 0 && position + count > window;
    const auto mask =
        windowed ? std::optional(window_mask(position, count, static_cast<int>(window), s)) : std::nullopt;
    const auto attended = mx::fast::scaled_dot_product_attention(queries, all_keys, all_values, scale,
                                                                 windowed    ? "array"
                                                                 : count > 1 ? "causal"
                                                                             : "",
                                                                 mask, std::nullopt, false, s);
    outputs.push_back(mx::reshape(mx::transpose(attended, {0, 2, 1, 3}, s), {count, static_cast<int>(heads) * dim}, s));
    begin += count;
  }
  return Tensor(outputs.size() == 1 ? outputs[0] : mx::concatenate(outputs, 0, s));
}

}  // namespace punie::nn
