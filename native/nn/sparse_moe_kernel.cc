#include <algorithm>

#include "kernels/expert_routing.h"
#include "kernels/swiglu.h"
#include "nn/adapter.h"
#include "nn/panels.h"
#include "nn/sparse_moe.h"

namespace punie::nn {

namespace {

/// Who goes where: found while the pass runs.
struct Routing {
  std::vector<std::int32_t> ids;  // [row][choice]
  std::vector<float> shares;
  kernels::ExpertGroups arranged;
};

/// Inputs of a product, the slots of a group side by side, as the matrices' `prepare` made them. Steps hold no more
/// than this of the memory, so that it serves the steps after the last that reads it.
struct GroupedInputs {
  float* first;
  std::int64_t stride;

  /// Those of the group with this index.
  float* of(const kernels::ExpertGroups::Group& group, std::int64_t index) const {
    return first + (group.first_slot + 2 * index) * stride;
  }
};

struct GroupedProduct {
  const ExpertMatrices* matrices;
  const float* x;  // [slots, cols]
  GroupedInputs prepared;
  float* y;  // [slots, rows]
};

/// Puts the steps of the chosen experts into a pass. The steps keep the routing and the experts, not this.
class ExpertSteps {
 public:
  ExpertSteps(Pass& pass, const Experts& experts, std::shared_ptr<Routing> routing, std::int64_t slots)
      : pass_(pass),
        experts_(experts),
        routing_(std::move(routing)),
        slots_(slots),
        most_groups_(std::min(experts.count, slots)) {}

  /// silu(gate(x)) * up(x) of each slot [slots, inner].
  Tensor inner(const Tensor& x) {
    const auto& [_, gate_proj, up_proj, down_proj] = experts_;
    const auto cols = gate_proj->out_features();
    const auto gates = pass_.make(slots_, cols), ups = pass_.make(slots_, cols);
    {
      const auto gathered = pass_.make(slots_, x.cols());
      const bool alike = up_proj->prepares_like(*gate_proj);
      const auto gate_memory = make_grouped(*gate_proj);
      const auto up_memory = alike ? gate_memory : make_grouped(*up_proj);
      const GroupedInputs for_gate{gate_memory.data(), gate_proj->prepared_floats()};
      const GroupedInputs for_up{up_memory.data(), up_proj->prepared_floats()};
      each_group([&experts = experts_, routing = routing_.get(), x = x.data(), cols = x.cols(),
                  gathered = gathered.data(), for_gate, for_up, alike](const auto& group, auto index) {
        float* first = gathered + group.first_slot * cols;
        for (std::int64_t i = 0; i < group.slots; ++i) {
          const auto row = routing->arranged.rows[static_cast<std::size_t>(group.first_slot + i)];
          std::copy_n(x + row * cols, cols, first + i * cols);
        }
        experts.gate_proj->prepare(first, group.slots, for_gate.of(group, index));
        if (!alike) experts.up_proj->prepare(first, group.slots, for_up.of(group, index));
      });
      multiply_groups({{gate_proj.get(), gathered.data(), for_gate, gates.data()},
                       {up_proj.get(), gathered.data(), for_up, ups.data()}});
      adapt_groups(*gate_proj, gathered.data(), gates.data());
      adapt_groups(*up_proj, gathered.data(), ups.data());
    }
    each_group([gates = gates.data(), ups = ups.data(), cols](const auto& group, auto) {
      float* first = gates + group.first_slot * cols;
      kernels::swiglu(first, ups + group.first_slot * cols, group.slots * cols, first);
    });
    return gates;
  }

  /// What each slot's expert makes of its inner activations [slots, hidden].
  Tensor down(const Tensor& inner) {
    const auto& matrices = *experts_.down_proj;
    const auto memory = make_grouped(matrices);
    const GroupedInputs prepared{memory.data(), matrices.prepared_floats()};
    each_group([&matrices, inner = inner.data(), prepared](const auto& group, auto index) {
      matrices.prepare(inner + group.first_slot * matrices.in_features(), group.slots, prepared.of(group, index));
    });
    const auto y = pass_.make(slots_, matrices.out_features());
    multiply_groups({{&matrices, inner.data(), prepared, y.data()}});
    adapt_groups(matrices, inner.data(), y.data());
    return y;
  }

 private:
  Tensor make_grouped(const ExpertMatrices& matrices) {
    return pass_.make(1, (slots_ + 2 * most_groups_) * matrices.prepared_floats());
  }

  /// Adds a step that computes products of the same inputs, expert by expert: each group has the panels of all of them.
  void multiply_groups(std::vector<GroupedProduct> products) {
    std::int64_t panels = 0;
    for (const auto& product : products) panels += panels_of(product.matrices->out_features());
    const auto count = most_groups_ * panels;
    const auto grain = panel_grain(count, pass_.runtime().parallel.threads);
    pass_.step(count, grain, [routing = routing_, panels, products = std::move(products)](auto begin, auto end) {
      const auto& groups = routing->arranged.groups;
      end = std::min(end, static_cast<std::int64_t>(groups.size()) * panels);
      for (std::int64_t group_end = 0; begin < end; begin = group_end) {
        const auto index = begin / panels;
        group_end = std::min(end, (index + 1) * panels);
        const auto& group = groups[static_cast<std::size_t>(index)];
        std::int64_t first = index * panels;
        for (const auto& [matrices, x, prepared, y] : products) {
          const auto rows = matrices->out_features();
          const auto [from, to] = rows_of_panels(begin, group_end, first, rows);
          if (from < to) {
            matrices->multiply_columns(group.expert, x + group.first_slot * matrices->in_features(),
                                       prepared.of(group, index), group.slots, y + group.first_slot * rows, from, to);
          }
          first += panels_of(rows);
        }
      }
    });
  }

  /// Adds a step that adds what the pass's adapter has for the matrices' products.
  void adapt_groups(const ExpertMatrices& matrices, const float* x, float* y) {
    const auto* added = pass_.adapter() ? pass_.adapter()->find_experts(matrices.slot) : nullptr;
    if (added == nullptr) return;
    each_group([added, x, y, in = matrices.in_features(), out = matrices.out_features()](const auto& group, auto) {
      added->add(group.expert, x + group.first_slot * in, y + group.first_slot * out, group.slots);
    });
  }

  /// Adds a step that runs `visit(group, index)` for each group.
  template <typename Visit>
  void each_group(Visit visit) {
    pass_.step(most_groups_, 1, [routing = routing_, visit](std::int64_t begin, std::int64_t end) {
      const auto& groups = routing->arranged.groups;
      end = std::min(end, static_cast<std::int64_t>(groups.size()));
      for (auto index = begin; index < end; ++index) visit(groups[static_cast<std::size_t>(index)], index);
    });
  }

  Pass& pass_;
  const Experts& experts_;
  const std::shared_ptr<Routing> routing_;
  const std::int64_t slots_;
  const std::int64_t most_groups_;
};

}  // namespace

/// The rows are sorted by expert, so that an expert's weights are read once for all of its rows.
Tensor SparseMoe::routed_kernels(Pass& pass, const Tensor& x) const {
  const auto rows = x.rows(), slots = rows * per_token;
  const auto routing = std::make_shared<Routing>();
  routing->ids.resize(static_cast<std::size_t>(slots));
  routing->shares.resize(static_cast<std::size_t>(slots));
  {
    const auto logits = gate(pass, x);
    pass.row_step(rows, [this, routing, from = logits.data()](auto begin, auto end) {
      for (auto row = begin; row < end; ++row) {
        kernels::choose_experts(from + row * experts.count, experts.count, per_token, normalize,
                                routing->ids.data() + row * per_token, routing->shares.data() + row * per_token);
      }
    });
  }
  pass.step(1, 1, [this, routing, rows](auto, auto) {
    routing->arranged.arrange(routing->ids.data(), rows, per_token, experts.count);
  });

  ExpertSteps steps(pass, experts, routing, slots);
  const auto said = steps.down(steps.inner(x));
  const auto hidden = said.cols();
  auto y = pass.make(rows, hidden);
  pass.row_step(rows, [this, routing, hidden, from = said.data(), to = y.data()](auto begin, auto end) {
    for (auto row = begin; row < end; ++row) {
      float* sum = to + row * hidden;
      std::fill_n(sum, hidden, 0.0f);
      for (auto choice = row * per_token; choice < (row + 1) * per_token; ++choice) {
        const float share = routing->shares[static_cast<std::size_t>(choice)];
        const float* one = from + routing->arranged.slot_of[static_cast<std::size_t>(choice)] * hidden;
        for (std::int64_t i = 0; i < hidden; ++i) sum[i] += share * one[i];
      }
    }
  });
  return y;
}

}  // namespace punie::nn
