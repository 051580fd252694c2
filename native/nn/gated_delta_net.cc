#include "nn/gated_delta_net.h"

#include <algorithm>

namespace punie::nn {

namespace {

/// Of x [n, groups * group] the columns [begin, begin + width) of each group, side by side: [n, groups * width].
mx::array of_each_group(Pass& pass, const Tensor& x, std::int64_t groups, std::int64_t begin, std::int64_t width) {
  const auto& s = pass.runtime().stream;
  const int rows = x.array().shape(0), count = static_cast<int>(groups), group = x.array().shape(1) / count;
  const auto split = mx::reshape(x.array(), {rows, count, group}, s);
  const auto first = static_cast<int>(begin), end = static_cast<int>(begin + width);
  return mx::reshape(mx::slice(split, {0, 0, first}, {rows, count, end}, s), {rows, count * (end - first)}, s);
}

/// The same for the kernels, into the columns from `to_column` on of y.
void copy_groups(Pass& pass, const Tensor& x, std::int64_t groups, std::int64_t begin, std::int64_t width, Tensor& y,
                 std::int64_t to_column) {
  pass.row_step(x.rows(), [=, from = x.data(), cols = x.cols(), to = y.data() + to_column, y_cols = y.cols()](
                              auto first, auto end) {
    const auto group = cols / groups;
    for (auto row = first; row < end; ++row)
      for (std::int64_t i = 0; i < groups; ++i)
        std::copy_n(from + row * cols + i * group + begin, width, to + row * y_cols + i * width);
  });
}

}  // namespace

DeltaProjections SplitDeltaInputs::operator()(Pass& pass, const kernels::GatedDelta&, const Tensor& x) const {
  const std::array layers{&qkv, &z, &b, &a};
  const auto projected = project(pass, x, layers);
  return {projected[0], projected[1], projected[2], projected[3]};
}

DeltaProjections FusedDeltaInputs::operator()(Pass& pass, const kernels::GatedDelta& shape, const Tensor& x) const {
  const std::array layers{&qkvz, &ba};
  const auto projected = project(pass, x, layers);
  const auto heads = shape.key_heads, each = shape.value_heads / heads;
  const auto keys = shape.key_dim, values = each * shape.value_dim;
  if (!pass.kernels()) {
    const auto part = [&](std::int64_t begin, std::int64_t width) {
      return of_each_group(pass, projected[0], heads, begin, width);
    };
    const auto qkv =
        mx::concatenate({part(0, keys), part(keys, keys), part(2 * keys, values)}, 1, pass.runtime().stream);
    return {Tensor(qkv), Tensor(part(2 * keys + values, values)),
            Tensor(of_each_group(pass, projected[1], heads, 0, each)),
            Tensor(of_each_group(pass, projected[1], heads, each, each))};
  }
  const auto rows = x.rows();
  auto qkv = pass.make(rows, heads * (2 * keys + values)), z = pass.make(rows, heads * values);
  auto b = pass.make(rows, shape.value_heads), a = pass.make(rows, shape.value_heads);
  copy_groups(pass, projected[0], heads, 0, keys, qkv, 0);
  copy_groups(pass, projected[0], heads, keys, keys, qkv, heads * keys);
  copy_groups(pass, projected[0], heads, 2 * keys, values, qkv, 2 * heads * keys);
  copy_groups(pass, projected[0], heads, 2 * keys + values, values, z, 0);
  copy_groups(pass, projected[1], heads, 0, each, b, 0);
  copy_groups(pass, projected[1], heads, each, each, a, 0);
  return {qkv, z, b, a};
}

Tensor GatedDeltaNet::operator()(Pass& pass, const Tensor& x, std::int64_t layer) const {
  const auto y = [&] {
    const auto projected = std::visit([&](const auto& inputs) { return inputs(pass, shape, x); }, in_proj);
    return pass.kernels() ? recur_kernels(pass, projected, layer) : recur_stock(pass, projected, layer);
  }();
  return out_proj(pass, y);
}

Tensor GatedDeltaNet::recur_stock(Pass& pass, const DeltaProjections& projected, std::int64_t layer) const {
  const auto& s = pass.runtime().stream;
  const auto key_heads = static_cast<int>(shape.key_heads), value_heads = static_cast<int>(shape.value_heads);
  const auto key_dim = static_cast<int>(shape.key_dim), value_dim = static_cast<int>(shape.value_dim);
  const auto width = static_cast<int>(channels()), kept = static_cast<int>(taps - 1);
  const auto dtype = projected.qkv.array().dtype();
  const auto inverse = mx::array(1 / std::sqrt(static_cast<float>(key_dim)), dtype);
  const float eps = 1e-6f / static_cast<float>(key_dim);
  std::vector<mx::array> outputs;
  int begin = 0;
  for (const auto& segment : pass.batch().segments) {
    const auto count = static_cast<int>(segment.count);
    const auto rows = [&](const Tensor& x) {
      return mx::slice(x.array(), {begin, 0}, {begin + count, x.array().shape(1)}, s);
    };
    auto& cache = segment.cache->stock_state(layer);
    const auto before = cache.inputs ? *cache.inputs : mx::zeros({kept, width}, dtype, s);
    const auto inputs = mx::concatenate({before, rows(projected.qkv)}, 0, s);
    cache.next_inputs = mx::contiguous(mx::slice(inputs, {count, 0}, {count + kept, width}, s), false, s);
    auto convolved = mx::zeros({count, width}, dtype, s);
    for (int tap = 0; tap <= kept; ++tap) {
      const auto weight = mx::slice(conv1d, {tap, 0}, {tap + 1, width}, s);
      convolved = mx::add(convolved, mx::multiply(mx::slice(inputs, {tap, 0}, {tap + count, width}, s), weight, s), s);
    }
    convolved = mx::multiply(convolved, mx::sigmoid(convolved, s), s);

    const auto keys = key_heads * key_dim;
    const auto part = [&](int first, int heads, int dim) {
      return mx::reshape(mx::slice(convolved, {0, first}, {count, first + heads * dim}, s), {count, heads, dim}, s);
    };
    const auto normalize = [&](const mx::array& x) {
      return mx::multiply(inverse, mx::fast::rms_norm(x, std::nullopt, eps, s), s);
    };
    const auto q =
        mx::repeat(mx::multiply(inverse, normalize(part(0, key_heads, key_dim)), s), value_heads / key_heads, 1, s);
    const auto k = mx::repeat(normalize(part(keys, key_heads, key_dim)), value_heads / key_heads, 1, s);
    const auto v = part(2 * keys, value_heads, value_dim);
    const auto strength = mx::sigmoid(rows(projected.b), s);
    const auto softplus = mx::logaddexp(mx::add(rows(projected.a), dt_bias, s), mx::array(0.0f), s);
    const auto decay = mx::exp(mx::negative(mx::multiply(mx::exp(a_log, s), softplus, s), s), s);

    auto state = cache.state ? *cache.state : mx::zeros({value_heads, value_dim, key_dim}, mx::float32, s);
    std::vector<mx::array> ys;
    for (int row = 0; row < count; ++row) {
      const auto at = [&](const mx::array& x) { return mx::take(x, row, 0, s); };
      const auto along_keys = [&](const mx::array& x) { return mx::expand_dims(at(x), 1, s); };
      state = mx::multiply(state, mx::expand_dims(at(decay), {1, 2}, s), s);
      const auto known = mx::sum(mx::multiply(state, along_keys(k), s), -1, false, s);
      const auto change = mx::multiply(mx::subtract(at(v), known, s), mx::expand_dims(at(strength), 1, s), s);
      state = mx::add(state, mx::multiply(along_keys(k), mx::expand_dims(change, 2, s), s), s);
      ys.push_back(mx::astype(mx::sum(mx::multiply(state, along_keys(q), s), -1, false, s), dtype, s));
    }
    cache.next_state = state;
    const auto z = mx::reshape(rows(projected.z), {count, value_heads, value_dim}, s);
    const auto normed = mx::fast::rms_norm(mx::stack(ys, 0, s), norm.weight, norm.eps, s);
    const auto gated = mx::multiply(mx::multiply(z, mx::sigmoid(z, s), s), normed, s);
    outputs.push_back(mx::reshape(gated, {count, value_heads * value_dim}, s));
    begin += count;
  }
  return Tensor(outputs.size() == 1 ? outputs[0] : mx::concatenate(outputs, 0, s));
}

}  // namespace punie::nn
