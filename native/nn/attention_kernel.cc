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

mx::array Attention::attend_kernel(const Runtime& runtime, const Rope& rope, const mx::array& q, const mx::array& k,
                                   const mx::array& v, const Batch& batch, std::int64_t layer) const {
  std::vector<Rows> segments;
  for (const auto& segment : batch.segments) {
    segments.push_back({segment.cache, segment.cache->length(), segment.count});
  }
  const Shape shape{heads, kv_heads, head_dim, rope.traditional(), rope.inverse_frequencies()};
  return cpu_op(
      "KernelAttention", runtime, q.shape(), {q, k, v},
      [shape, segments = std::move(segments), layer, parallel = runtime.parallel](const auto& in, float* out) {
        const auto* q = static_cast<const float*>(in[0]);
        const auto* k = static_cast<const float*>(in[1]);
        const auto* v = static_cast<const float*>(in[2]);
        std::int64_t begin = 0;
        for (const auto& rows : segments) {
          auto& cache = rows.cache->kernel_layer(layer);
          std::vector<std::int32_t> positions(static_cast<std::size_t>(rows.count));
          std::iota(positions.begin(), positions.end(), static_cast<std::int32_t>(rows.position));
          const auto q_begin = begin * shape.heads * shape.head_dim;
          const auto kv_begin = begin * shape.kv_heads * shape.head_dim;
          store(shape, cache, k + kv_begin, v + kv_begin, rows, positions, parallel);
          attend(shape, cache, q + q_begin, rows, positions, out + q_begin, parallel);
          begin += rows.count;
        }
      });
}

}  // namespace punie::nn
