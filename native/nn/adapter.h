#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/tensor_store.h"
#include "nn/expert_low_rank.h"
#include "nn/low_rank.h"
#include "nn/runtime.h"

namespace punie::nn {

/// A linear layer, or the matrices of a layer's experts, that an adapter may add to.
struct AdaptableLayer {
  std::string path;
  /// Null for experts.
  const Matrix* weight;
  std::int64_t out;
  std::int64_t in;
  /// 0: a linear layer.
  std::int64_t experts = 0;
};

/// What an adapter's file says of one layer. The names are of tensors in it.
struct AdapterLayer {
  std::string path;
  /// What the product of the two is multiplied by.
  float scale;
  std::string a;
  std::string b;
  /// DoRA's; empty without.
  std::string magnitude;
  /// False: `a` is [in, rank], `b` [rank, out] (mlx-lm). True: [rank, in], [out, rank] (PEFT). Of experts they are
  /// always the latter, one upon another.
  bool transposed;
};

/// The low-rank parts of a model's layers, which a pass adds to what they compute. The base model stays as it is, so
/// one may be taken for another between two passes.
class Adapter {
 public:
  /// Copies the tensors: `store` may go afterwards. `layers` are the model's, by slot, and outlive it. Throws
  /// WEIGHTS_MISMATCH naming up to five problems, MODEL_CORRUPT for values that are not finite.
  Adapter(const Runtime& runtime, const std::vector<AdaptableLayer>& layers, const io::TensorStore& store,
          const std::vector<AdapterLayer>& parts);

  /// What it adds to the layer of this slot; nullptr: nothing.
  const LowRank* find(int slot) const { return slot < 0 ? nullptr : parts_[static_cast<std::size_t>(slot)].get(); }
  const ExpertLowRank* find_experts(int slot) const {
    return slot < 0 ? nullptr : experts_[static_cast<std::size_t>(slot)].get();
  }

 private:
  std::vector<std::unique_ptr<const ExpertLowRank>> experts_;
  std::vector<std::unique_ptr<const LowRank>> parts_;
};

}  // namespace punie::nn
