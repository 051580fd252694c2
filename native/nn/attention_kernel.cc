#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "kernels/attention.h"
#include "kernels/rope.h"
#include "nn/attention.h"
#include "nn/cpu_op.h"

namespace punie::nn {

namespace {

/// What the kernel needs to know of the layer, copied so that the queued task owns it.
struct Shape {
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t head_dim;
  bool traditional;
  std::shared_ptr<const std::vector<float>> inverse_frequencies;
};

/// One sequence's rows in a queued task: its position is fixed when the graph is built.
struct Rows {
  std::shared_ptr<KvCache> cache;
  std::int64_t position;
  std::int64_t count;
};

/// Rotates the keys into the cache and copies the values beside them.
void store(const Shape& shape, KernelLayerCache& cache, const float* k, const float* v, const Rows& rows,
           const std::vector<std::int32_t>& positions, const kernels::Parallel& parallel) {
  const auto stride = shape.kv_heads * shape.head_dim;
  cache.reserve(rows.position + rows.count, rows.position);
  for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
    kernels::rope(k + head * shape.head_dim, stride, positions.data(), rows.count, 1, shape.head_dim,
                  shape.inverse_frequencies->data(), shape.traditional, cache.key(head, rows.position), shape.head_dim,
                  parallel);
    for (std::int64_t row = 0; row < rows.count; ++row) {
      const float* from = v + row * stride + head * shape.head_dim;
      std::copy_n(from, shape.head_dim, cache.value(head, rows.position + row));
    }
  }
}

void attend(const Shape& shape, KernelLayerCache& cache, const float* q, const Rows& rows,
            const std::vector<std::int32_t>& positions, float* out, const kernels::Parallel& parallel) {
  const auto stride = shape.heads * shape.head_dim;
  const auto rotated = std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(rows.count * stride));
  kernels::rope(q, stride, positions.data(), rows.count, shape.heads, shape.head_dim, shape.inverse_frequencies->data(),
                shape.traditional, rotated.get(), stride, parallel);
  const float scale = 1 / std::sqrt(static_cast<float>(shape.head_dim));
  kernels::attention(rotated.get(), rows.count, shape.heads, cache.view(), rows.position, scale, out, parallel);
}

}  // namespace

mx::array Attention::run_kernels(const Runtime& runtime, const Rope& rope, const mx::array& x, const Batch& batch,
                                 std::int64_t layer) const {
  std::vector<Rows> segments;
  for (const auto& segment : batch.segments) {
    segments.push_back({segment.cache, segment.cache->length(), segment.count});
  }
  const auto n = static_cast<std::int64_t>(x.shape(0));
  const Shape shape{heads, kv_heads, head_dim, rope.traditional(), rope.inverse_frequencies()};
  return cpu_op(
      "KernelAttention", runtime, x.shape(), {x},
      [shape, segments = std::move(segments), n, layer, to_q = q_proj.step(), to_k = k_proj.step(),
       to_v = v_proj.step(), to_out = o_proj.step(), parallel = runtime.parallel](const auto& in, float* out) {
        const auto* x = static_cast<const float*>(in[0]);
        const auto q_size = n * to_q.out_features;
        const auto kv_size = n * to_k.out_features;
        const auto work = std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(2 * (q_size + kv_size)));
        float* q = work.get();
        float* attended = q + q_size;
        float* k = attended + q_size;
        float* v = k + kv_size;
        to_q(x, n, q);
        to_k(x, n, k);
        to_v(x, n, v);
        std::int64_t begin = 0;
        for (const auto& rows : segments) {
          auto& cache = rows.cache->kernel_layer(layer);
          std::vector<std::int32_t> positions(static_cast<std::size_t>(rows.count));
          std::iota(positions.begin(), positions.end(), static_cast<std::int32_t>(rows.position));
          const auto q_begin = begin * to_q.out_features;
          const auto kv_begin = begin * to_k.out_features;
          store(shape, cache, k + kv_begin, v + kv_begin, rows, positions, parallel);
          attend(shape, cache, q + q_begin, rows, positions, attended + q_begin, parallel);
          begin += rows.count;
        }
        to_out(attended, n, out);
      });
}

}  // namespace punie::nn
