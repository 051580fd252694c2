#include <algorithm>
#include <cmath>

#include "kernels/attention.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "nn/attention.h"

namespace punie::nn {

namespace {

/// Turns the queries, and the keys into the cache, values beside them.
struct Turn {
  const float* table;  // [rows][2 * half]: a row's angles
  const RowPlace* places;
  std::int64_t layer;
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t head_dim;
  std::int64_t half;
  bool traditional;
  const RmsNorm* q_norm;
  const RmsNorm* k_norm;

  void operator()(std::int64_t row, float* q, float* k, const float* v) const {
    const float* angles = table + row * 2 * half;
    q += row * heads * head_dim;
    k += row * kv_heads * head_dim;
    v += row * kv_heads * head_dim;
    normalize(q_norm, heads, q);
    normalize(k_norm, kv_heads, k);
    kernels::rope(q, heads, head_dim, half, angles, traditional);
    kernels::rope(k, kv_heads, head_dim, half, angles, traditional);
    const auto& [cache, position] = places[row];
    const auto view = cache->kernel_layer(layer).view();
    for (std::int64_t head = 0; head < kv_heads; ++head) {
      kernels::store_key_value(view, head, position, k + head * head_dim, v + head * head_dim);
    }
  }

  void normalize(const RmsNorm* norm, std::int64_t count, float* x) const {
    if (norm != nullptr) kernels::rms_norm(x, norm->weight.data<float>(), norm->eps, count, head_dim, x);
  }
};

/// A sequence's part of the attention step.
struct Part {
  kernels::Attention attention;
  std::int64_t first_row;
  std::int64_t rows;
  std::int64_t first_piece;
  float* states;
};

}  // namespace

Tensor Attention::attend_kernels(Pass& pass, const Rope& rope, const Tensor& q, const Tensor& k, const Tensor& v,
                                 std::int64_t layer) const {
  const auto table = pass.rope_table(rope);
  const Turn turn{table.get(),
                  pass.places(),
                  layer,
                  heads,
                  kv_heads,
                  head_dim,
                  rope.half(),
                  rope.traditional(),
                  q_norm ? &*q_norm : nullptr,
                  k_norm ? &*k_norm : nullptr};
  pass.row_step(pass.rows(), [turn, q = q.data(), k = k.data(), v = v.data()](auto begin, auto end) {
    for (auto row = begin; row < end; ++row) turn(row, q, k, v);
  });

  const float scale = 1 / std::sqrt(static_cast<float>(head_dim));
  const auto threads = pass.runtime().parallel.threads;
  std::vector<Part> parts;
  std::int64_t row = 0, pieces = 0, state_floats = 0;
  for (const auto& [cache, count] : pass.batch().segments) {
    auto& kept = cache->kernel_layer(layer);
    kept.reserve(cache->grown(kept.capacity(), cache->length() + count), cache->length());
    const kernels::Attention attention(kept.view(), count, heads, cache->length(), window, scale, threads);
    parts.push_back({attention, row, count, pieces, nullptr});
    row += count;
    pieces += attention.pieces();
    state_floats += attention.state_floats();
  }
  const auto states = pass.make(1, state_floats);
  float* next = states.data();
  for (auto& part : parts) {
    part.states = next;
    next += part.attention.state_floats();
  }

  auto y = pass.make(pass.rows(), heads * head_dim);
  const auto width = heads * head_dim;
  const auto shared = std::make_shared<const std::vector<Part>>(std::move(parts));
  pass.step(pieces, 1, [shared, width, q = q.data(), out = y.data()](auto begin, auto end) {
    for (auto piece = begin; piece < end; ++piece) {
      const auto after = std::ranges::upper_bound(*shared, piece, {}, &Part::first_piece);
      const auto& part = *std::prev(after);
      const auto at = part.first_row * width;
      part.attention.run(piece - part.first_piece, q + at, part.states, out + at);
    }
  });
  if (state_floats == 0) return y;
  pass.row_step(pass.rows(), [shared, width, out = y.data()](auto begin, auto end) {
    for (const auto& part : *shared) {
      const auto from = std::max<std::int64_t>(begin - part.first_row, 0);
      const auto to = std::min(end - part.first_row, part.rows);
      if (from < to) part.attention.finish(part.states, from, to, out + part.first_row * width);
    }
  });
  return y;
}

}  // namespace punie::nn
