#include "kernels/gated_delta.h"

#include <cmath>
#include <cstring>

#include "check.h"

namespace punie::tests {
namespace {

using kernels::GatedDelta;
using kernels::GatedDeltaInputs;

/// Random inputs of `rows` tokens.
struct Tokens {
  Tokens(const GatedDelta& shape, int64_t rows, uint64_t seed)
      : stride(2 * shape.key_heads * shape.key_dim + shape.value_heads * shape.value_dim),
        qkv(Random(seed).floats(rows * stride)),
        decay(Random(seed + 1).floats(rows * shape.value_heads, 0.5f, 1)),
        strength(Random(seed + 2).floats(rows * shape.value_heads, 0, 1)) {}

  GatedDeltaInputs from(const GatedDelta& shape, int64_t first, int64_t rows) const {
    const float* row = qkv.data() + first * stride;
    const int64_t keys = shape.key_heads * shape.key_dim;
    return {row,
            row + keys,
            row + 2 * keys,
            stride,
            decay.data() + first * shape.value_heads,
            strength.data() + first * shape.value_heads,
            rows};
  }

  int64_t stride;
  std::vector<float> qkv, decay, strength;
};

/// One head by the formula, in doubles: y[rows][value_dim].
std::vector<double> reference(const GatedDelta& shape, const GatedDeltaInputs& in, int64_t head) {
  const auto keys = static_cast<size_t>(shape.key_dim), values = static_cast<size_t>(shape.value_dim);
  const int64_t key_head = head / (shape.value_heads / shape.key_heads);
  std::vector<double> state(keys * values), y;
  for (int64_t row = 0; row < in.rows; ++row) {
    const float* q = in.q + row * in.stride + key_head * shape.key_dim;
    const float* k = in.k + row * in.stride + key_head * shape.key_dim;
    const float* v = in.v + row * in.stride + head * shape.value_dim;
    for (double& value : state) value *= in.decay[row * shape.value_heads + head];
    for (size_t i = 0; i < values; ++i) {
      double known = 0, out = 0;
      for (size_t d = 0; d < keys; ++d) known += state[d * values + i] * k[d];
      const double change = (v[i] - known) * in.strength[row * shape.value_heads + head];
      for (size_t d = 0; d < keys; ++d) out += (state[d * values + i] += k[d] * change) * q[d];
      y.push_back(out);
    }
  }
  return y;
}

/// All heads, `rows` tokens from `first` on.
void run(const GatedDelta& shape, const Tokens& tokens, int64_t first, int64_t rows, std::vector<float>& state,
         float* y) {
  std::vector<float> next(state.size());
  for (int64_t head = 0; head < shape.value_heads; ++head)
    for (int64_t block = 0; block < shape.blocks(); ++block)
      kernels::gated_delta(shape, tokens.from(shape, first, rows), head, block, state.data(), next.data(),
                           y + first * shape.value_heads * shape.value_dim);
  state = next;
}

const Test rule("the gated delta rule is its formula, and the same bits however the tokens are cut", [] {
  for_each_isa([](const std::string& isa) {
    for (const auto& shape :
         {GatedDelta{1, 1, 1, 1}, GatedDelta{2, 4, 8, 16}, GatedDelta{1, 3, 7, 20}, GatedDelta{2, 2, 128, 33}}) {
      const int64_t rows = 9, width = shape.value_heads * shape.value_dim;
      const Tokens tokens(shape, rows, 7);
      const auto floats = static_cast<size_t>(shape.state_floats());
      std::vector<float> state(floats), cut_state(floats);
      std::vector<float> y(static_cast<size_t>(rows * width)), cut(y);
      run(shape, tokens, 0, rows, state, y.data());
      for (const auto& [first, count] : {std::pair{0, 1}, {1, 5}, {6, 3}})
        run(shape, tokens, first, count, cut_state, cut.data());
      check(std::memcmp(y.data(), cut.data(), y.size() * sizeof(float)) == 0, isa + ": other bits when cut");
      for (int64_t head = 0; head < shape.value_heads; ++head) {
        const auto wanted = reference(shape, tokens.from(shape, 0, rows), head);
        for (int64_t row = 0; row < rows; ++row)
          for (int64_t i = 0; i < shape.value_dim; ++i) {
            const double value = wanted[static_cast<size_t>(row * shape.value_dim + i)];
            const float found = y[static_cast<size_t>(row * width + head * shape.value_dim + i)];
            check(std::abs(found - value) <= 1e-4 * (1 + std::abs(value)), isa + ", head " + std::to_string(head));
          }
      }
    }
  });
});

const Test decay("a head's decay is between 0 and 1, also far out", [] {
  for (const float a : {-100.0f, -1.0f, 0.0f, 1.0f, 100.0f}) {
    const double x = a + 0.5, softplus = std::log1p(std::exp(-std::abs(x))) + std::max(x, 0.0);
    const double wanted = std::exp(-std::exp(0.3) * softplus);
    check(std::abs(kernels::gated_delta_decay(0.3f, a, 0.5f) - wanted) <= 1e-6, std::to_string(a));
  }
});

const Test convolution("the causal convolution adds up its taps and passes silu", [] {
  for_each_isa([](const std::string& isa) {
    for (const int64_t channels : {1, 7, 16, 33}) {
      const int64_t taps = 4;
      const std::vector<float> weight = Random(1).floats(taps * channels), x = Random(2).floats(taps * channels);
      std::vector<const float*> rows;
      for (int64_t tap = 0; tap < taps; ++tap) rows.push_back(x.data() + tap * channels);
      std::vector<float> y(static_cast<size_t>(channels));
      kernels::causal_convolution(rows.data(), weight.data(), taps, channels, y.data());
      for (int64_t c = 0; c < channels; ++c) {
        double sum = 0;
        for (int64_t tap = 0; tap < taps; ++tap)
          sum += double{weight[static_cast<size_t>(tap * channels + c)]} * x[static_cast<size_t>(tap * channels + c)];
        check(std::abs(y[static_cast<size_t>(c)] - sum / (1 + std::exp(-sum))) <= 1e-6, isa);
      }
    }
  });
});

}  // namespace
}  // namespace punie::tests
