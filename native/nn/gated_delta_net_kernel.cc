#include <algorithm>
#include <cmath>

#include "kernels/rms_norm.h"
#include "kernels/swiglu.h"
#include "nn/gated_delta_net.h"

namespace punie::nn {

namespace {

/// A sequence's rows in the pass and its state.
struct Part {
  std::int64_t first_row;
  std::int64_t rows;
  KernelRecurrentCache::View cache;
};

using Parts = std::shared_ptr<const std::vector<Part>>;

/// The convolution of the rows of one pass: y[rows, channels] of x[rows, channels].
struct Convolution {
  const float* x;
  const float* weight;
  std::int64_t taps;
  std::int64_t channels;
  float* y;

  /// Row `index` of a sequence's part; rows before it are the ones that its cache remembers.
  const float* input(const Part& part, std::int64_t index) const {
    if (index < 0) return part.cache.inputs + (taps - 1 + index) * channels;
    return x + (part.first_row + index) * channels;
  }

  void row(const Part& part, std::int64_t index) const {
    std::vector<const float*> inputs;
    for (std::int64_t tap = 1 - taps; tap <= 0; ++tap) inputs.push_back(input(part, index + tap));
    kernels::causal_convolution(inputs.data(), weight, taps, channels, y + (part.first_row + index) * channels);
    if (index + 1 == part.rows) {
      for (std::int64_t tap = 0; tap < taps - 1; ++tap) {
        std::copy_n(input(part, part.rows - (taps - 1) + tap), channels, part.cache.next_inputs + tap * channels);
      }
    }
  }
};

}  // namespace

Tensor GatedDeltaNet::recur_kernels(Pass& pass, const DeltaProjections& projected, std::int64_t layer) const {
  const auto rows = pass.rows(), width = channels();
  std::vector<Part> found;
  std::int64_t first_row = 0;
  for (const auto& [cache, count] : pass.batch().segments) {
    found.push_back({first_row, count, cache->kernel_state(layer).view()});
    first_row += count;
  }
  const Parts parts = std::make_shared<const std::vector<Part>>(std::move(found));

  // A step of its own: a row looks at the rows before it, which others compute in the same row-wise step.
  auto qkv = pass.make(rows, width);
  const Convolution convolution{projected.qkv.data(), conv1d.data<float>(), taps, width, qkv.data()};
  pass.step(rows, 1, [parts, convolution](std::int64_t begin, std::int64_t end) {
    for (const auto& part : *parts) {
      const auto from = std::max(begin - part.first_row, std::int64_t{0});
      const auto to = std::min(end - part.first_row, part.rows);
      for (auto index = from; index < to; ++index) convolution.row(part, index);
    }
  });

  auto decay = pass.make(rows, shape.value_heads), strength = pass.make(rows, shape.value_heads);
  pass.row_step(rows, [this, width, qkv = qkv.data(), decay = decay.data(), strength = strength.data(),
                       a = projected.a.data(), b = projected.b.data()](auto begin, auto end) {
    const auto key_dim = shape.key_dim, keys = shape.key_heads * key_dim, heads = shape.value_heads;
    const float inverse = 1 / std::sqrt(static_cast<float>(key_dim));
    const float eps = 1e-6f * inverse * inverse;
    const std::vector<float> q_scale(static_cast<std::size_t>(key_dim), inverse * inverse);
    const std::vector<float> k_scale(static_cast<std::size_t>(key_dim), inverse);
    for (auto row = begin; row < end; ++row) {
      float* q = qkv + row * width;
      kernels::rms_norm(q, q_scale.data(), eps, shape.key_heads, key_dim, q);
      kernels::rms_norm(q + keys, k_scale.data(), eps, shape.key_heads, key_dim, q + keys);
      for (auto i = row * heads; i < (row + 1) * heads; ++i) {
        const auto head = i - row * heads;
        decay[i] = kernels::gated_delta_decay(a_log.data<float>()[head], a[i], dt_bias.data<float>()[head]);
        strength[i] = 1 / (1 + std::exp(-b[i]));
      }
    }
  });

  auto y = pass.make(rows, shape.value_heads * shape.value_dim);
  const auto blocks = shape.value_heads * shape.blocks();
  const auto count = static_cast<std::int64_t>(parts->size()) * blocks;
  pass.step(count, 1,
            [this, parts, blocks, width, qkv = qkv.data(), decay = decay.data(), strength = strength.data(),
             y = y.data()](std::int64_t begin, std::int64_t end) {
              const auto keys = shape.key_heads * shape.key_dim, heads = shape.value_heads;
              for (auto piece = begin; piece < end; ++piece) {
                const auto& part = (*parts)[static_cast<std::size_t>(piece / blocks)];
                const auto block = piece % blocks;
                const float* first = qkv + part.first_row * width;
                const kernels::GatedDeltaInputs inputs{first,
                                                       first + keys,
                                                       first + 2 * keys,
                                                       width,
                                                       decay + part.first_row * heads,
                                                       strength + part.first_row * heads,
                                                       part.rows};
                kernels::gated_delta(shape, inputs, block / shape.blocks(), block % shape.blocks(), part.cache.state,
                                     part.cache.next_state, y + part.first_row * heads * shape.value_dim);
              }
            });

  pass.row_step(rows, [this, y = y.data(), z = projected.z.data()](auto begin, auto end) {
    const auto cols = shape.value_heads * shape.value_dim;
    for (auto row = begin; row < end; ++row) {
      float* out = y + row * cols;
      kernels::rms_norm(out, norm.weight.data<float>(), norm.eps, shape.value_heads, shape.value_dim, out);
      kernels::swiglu(z + row * cols, out, cols, out);
    }
  });
  return y;
}

}  // namespace punie::nn
