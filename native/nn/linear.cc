#include "nn/linear.h"

#include "nn/adapter.h"
#include "nn/panels.h"

namespace punie::nn {

namespace {

/// A layer's part of a step: its panels of rows come after those of the layers before it.
struct Part {
  const Matrix* weight;
  Matrix::Product product;
  std::int64_t rows;
  std::int64_t first_panel;
};

/// `visit(part, begin, end)` for the rows of each part that panels [begin, end) have.
template <typename Visit>
void visit_rows(const std::vector<Part>& parts, std::int64_t begin, std::int64_t end, Visit visit) {
  for (const auto& part : parts) {
    const auto [from, to] = rows_of_panels(begin, end, part.first_panel, part.rows);
    if (from < to) visit(part, from, to);
  }
}

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
    parts.push_back(
        {weight, weight->product(pass, x, *bias ? (*bias)->data<float>() : nullptr, y.data()), out, panels});
    panels += panels_of(out);
  }
  const auto shared = std::make_shared<const std::vector<Part>>(std::move(parts));
  pass.step({.count = panels,
             .grain = panel_grain(panels, pass.runtime().parallel.threads),
             .run =
                 [shared](std::int64_t begin, std::int64_t end) {
                   visit_rows(*shared, begin, end,
                              [](const Part& part, auto from, auto to) { part.product(from, to); });
                 },
             .prefetch =
                 [shared](std::int64_t panel) {
                   std::int64_t bytes = 0;
                   visit_rows(*shared, panel, panel + 1,
                              [&](const Part& part, auto from, auto to) { bytes += part.weight->prefetch(from, to); });
                   return bytes;
                 }});
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
