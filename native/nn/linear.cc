#include "nn/linear.h"

#include <algorithm>

#include "nn/adapter.h"
#include "nn/panels.h"

namespace punie::nn {

namespace {

constexpr std::int64_t kPanelRows = kernels::panel_rows;

/// A layer's part of a step: its panels of rows come after those of the layers before it.
struct Part {
  Matrix::Product product;
  std::int64_t rows;
  std::int64_t first_panel;
};

struct Factor {
  const Matrix* weight;
  const std::optional<mx::array>* bias;
};

std::vector<Tensor> multiply(Pass& pass, const Tensor& x, std::span<const Factor> factors) {
  std::vector<Tensor> results;
  std::vector<Part> parts;
  std::int64_t panels = 0;
  for (const auto& [weight, bias] : factors) {
    const auto out = weight->out_features();
    auto& y = results.emplace_back(pass.make(x.rows(), out));
    parts.push_back({weight->product(pass, x, *bias ? (*bias)->data<float>() : nullptr, y.data()), out, panels});
    panels += panels_of(out);
  }
  const auto grain = panel_grain(panels, pass.runtime().parallel.threads);
  pass.step(panels, grain, [parts = std::move(parts)](std::int64_t begin, std::int64_t end) {
    for (const auto& [product, rows, first] : parts) {
      const auto from = std::max<std::int64_t>(0, (begin - first) * kPanelRows);
      const auto to = std::min(rows, (end - first) * kPanelRows);
      if (from < to) product(from, to);
    }
  });
  return results;
}

std::vector<Tensor> multiply_stock(const Tensor& x, std::span<const Factor> factors) {
  std::vector<Tensor> results;
  for (const auto& [weight, bias] : factors) results.emplace_back(weight->multiply(x.array(), *bias));
  return results;
}

}  // namespace

std::vector<Tensor> project(Pass& pass, const Tensor& x, std::span<const Linear* const> layers) {
  static const std::optional<mx::array> kNoBias;
  std::vector<const LowRank*> added;
  std::vector<Factor> factors;
  for (const auto* layer : layers) {
    const auto* low_rank = added.emplace_back(pass.adapter() ? pass.adapter()->find(layer->slot) : nullptr);
    factors.push_back({layer->weight.get(), low_rank && low_rank->takes_bias() ? &kNoBias : &layer->bias});
  }
  auto results = pass.kernels() ? multiply(pass, x, factors) : multiply_stock(x, factors);
  for (std::size_t i = 0; i < added.size(); ++i) {
    if (added[i] != nullptr) results[i] = added[i]->apply(pass, x, results[i], layers[i]->bias);
  }
  return results;
}

Tensor Linear::operator()(Pass& pass, const Tensor& x) const {
  const Linear* const self = this;
  return project(pass, x, {&self, 1})[0];
}

Tensor Embedding::as_linear(Pass& pass, const Tensor& x) const {
  const std::optional<mx::array> none;
  if (!pass.kernels()) return Tensor(weight->multiply(x.array(), none));
  const Factor factor{weight.get(), &none};
  return multiply(pass, x, {&factor, 1})[0];
}

}  // namespace punie::nn
