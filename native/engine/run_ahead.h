#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/sequence.h"
#include "models/model.h"
#include "nn/pass.h"
#include "nn/runtime.h"

namespace punie::engine {

/// Greedy decoding with MLX's operations, one pass ahead: the pass for the token after next is submitted before the
/// next one is read, so that a GPU goes on while the processor tells of a token. The tokens chosen stay on the device,
/// and come back as one number for each sequence.
class RunAhead {
 public:
  RunAhead(const models::Model& model, const nn::Runtime& runtime) : model_(model), runtime_(runtime) {}

  /// Whether a model runs in a way that it serves: the kernels gain nothing by it, and a state that was carried on
  /// can't be taken back.
  static bool serves(const models::Model& model, const nn::Runtime& runtime);
  /// Whether the most likely token is all that is asked for.
  static bool can_answer(const Request& request);
  /// The next token of each of some sequences, which share an adapter; -1 where its logits are not finite. What they
  /// have is in their caches then. `last`: of some, it is known to be the last one: nothing is submitted ahead.
  std::vector<std::int32_t> next(std::span<Sequence* const> sequences, bool last);
  /// Forgets what was submitted ahead.
  void drop() { ahead_.reset(); }

 private:
  /// A pass on its way, and what it chooses: int32 [sequences].
  struct Submitted {
    std::vector<std::int64_t> requests;
    /// Positions of each before it.
    std::vector<std::int64_t> lengths;
    std::unique_ptr<nn::Pass> pass;
    nn::mx::array chosen;
  };

  Submitted submit(std::span<Sequence* const> sequences, nn::TokenIds ids) const;
  bool is_for(const Submitted& submitted, std::span<Sequence* const> sequences) const;

  const models::Model& model_;
  const nn::Runtime& runtime_;
  std::optional<Submitted> ahead_;
};

}  // namespace punie::engine
