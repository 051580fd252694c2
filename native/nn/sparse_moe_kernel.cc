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

/// Inputs of a product, the slots of a group side by side, with what the matrices' `prepare` made of them.
class GroupedInputs {
 public:
  GroupedInputs(Pass& pass, const ExpertMatrices& matrices, std::int64_t slots, std::int64_t most_groups)
      : stride_(matrices.prepared_floats()), memory_(pass.make(1, (slots + 2 * most_groups) * stride_)) {}

  /// Those of the group with this index.
  float* of(const kernels::ExpertGroups::Group& group, std::int64_t index) const {
    return memory_.data() + (group.first_slot + 2 * index) * stride_;
  }

 private:
  std::int64_t stride_;
  Tensor memory_;
};

struct GroupedProduct {
  const ExpertMatrices* matrices;
  const float* x;  // [slots, cols]
  GroupedInputs prepared;
  float* y;  // [slots, rows]
};

/// Adds a step that computes products of the same inputs, expert by expert: each group has the panels of all of them.
void multiply_groups(Pass& pass, const std::shared_ptr<Routing>& routing, std::int64_t most_groups,
                     std::vector<GroupedProduct> products) {
  std::int64_t panels = 0;
  for (const auto& product : products) panels += panels_of(product.matrices->out_features());
  const auto count = most_groups * panels;
  const auto grain = panel_grain(count, pass.runtime().parallel.threads);
  pass.step(count, grain, [routing, panels, products = std::move(products)](std::int64_t begin, std::int64_t end) {
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

/// Adds a step that runs `make(group, index)` for each group.
template <typename Make>
void each_group(Pass& pass, const std::shared_ptr<Routing>& routing, std::int64_t most_groups, Make make) {
  pass.step(most_groups, 1, [routing, make](std::int64_t begin, std::int64_t end) {
    const auto& groups = routing->arranged.groups;
    end = std::min(end, static_cast<std::int64_t>(groups.size()));
    for (auto index = begin; index < end; ++index) make(groups[static_cast<std::size_t>(index)], index);
  });
}

/// Adds a step that adds what the pass's adapter has for the matrices' products.
void adapt_groups(Pass& pass, const std::shared_ptr<Routing>& routing, std::int64_t most_groups,
                  const ExpertMatrices& matrices, const float* x, float* y) {
  const auto* added = pass.adapter() ? pass.adapter()->find_experts(matrices.slot) : nullptr;
  if (added == nullptr) return;
  each_group(pass, routing, most_groups,
             [added, x, y, in = matrices.in_features(), out = matrices.out_features()](const auto& group, auto) {
               added->add(group.expert, x + group.first_slot * in, y + group.first_slot * out, group.slots);
             });
}

}  // namespace

/// The rows are sorted by expert, so that an expert's weights are read once for all of its rows.
Tensor SparseMoe::routed_kernels(Pass& pass, const Tensor& x) const {
  const auto rows = x.rows(), slots = rows * per_token;
  const auto most_groups = std::min(experts.count, slots);
  const auto hidden = experts.down_proj->out_features();
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

  auto said = pass.make(slots, hidden);
  {
    const auto inner = experts.gate_proj->out_features();
    auto gates = pass.make(slots, inner), ups = pass.make(slots, inner);
    {
      auto gathered = pass.make(slots, x.cols());
      const GroupedInputs for_gate(pass, *experts.gate_proj, slots, most_groups);
      const bool alike = experts.up_proj->prepares_like(*experts.gate_proj);
      const auto for_up = alike ? for_gate : GroupedInputs(pass, *experts.up_proj, slots, most_groups);
      each_group(pass, routing, most_groups,
                 [this, routing, x = x.data(), cols = x.cols(), gathered, for_gate, for_up, alike](const auto& group,
                                                                                                   auto index) {
                   float* first = gathered.data() + group.first_slot * cols;
                   for (std::int64_t i = 0; i < group.slots; ++i) {
                     const auto row = routing->arranged.rows[static_cast<std::size_t>(group.first_slot + i)];
                     std::copy_n(x + row * cols, cols, first + i * cols);
                   }
                   experts.gate_proj->prepare(first, group.slots, for_gate.of(group, index));
                   if (!alike) experts.up_proj->prepare(first, group.slots, for_up.of(group, index));
                 });
      multiply_groups(pass, routing, most_groups,
                      {{experts.gate_proj.get(), gathered.data(), for_gate, gates.data()},
                       {experts.up_proj.get(), gathered.data(), for_up, ups.data()}});
      adapt_groups(pass, routing, most_groups, *experts.gate_proj, gathered.data(), gates.data());
      adapt_groups(pass, routing, most_groups, *experts.up_proj, gathered.data(), ups.data());
    }
    const GroupedInputs for_down(pass, *experts.down_proj, slots, most_groups);
    each_group(pass, routing, most_groups, [this, inner, gates, ups, for_down](const auto& group, auto index) {
      float* first = gates.data() + group.first_slot * inner;
      kernels::swiglu(first, ups.data() + group.first_slot * inner, group.slots * inner, first);
      experts.down_proj->prepare(first, group.slots, for_down.of(group, index));
    });
    multiply_groups(pass, routing, most_groups, {{experts.down_proj.get(), gates.data(), for_down, said.data()}});
    adapt_groups(pass, routing, most_groups, *experts.down_proj, gates.data(), said.data());
  }

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
