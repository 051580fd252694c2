#pragma once

#include <deque>
#include <exception>
#include <list>
#include <optional>
#include <vector>

#include "engine/events.h"
#include "engine/interrupt.h"
#include "engine/prefix_cache.h"
#include "engine/sequence.h"
#include "io/tensor_store.h"
#include "models/model.h"
#include "nn/runtime.h"

namespace punie::engine {

/// Decides what each forward pass computes: a chunk of one prompt, or of several that want no answer; then a token of
/// every sequence that has its prompt behind it. Lives on the owner thread.
class Scheduler {
 public:
  /// `weights`: the mapped files, checked before and after each pass.
  Scheduler(const models::Model& model, nn::Runtime& runtime, Interrupt& interrupt, const io::TensorStore& weights,
            std::int64_t context_length, std::int64_t prefill_chunk, const EventSink& sink)
      : model_(model),
        runtime_(runtime),
        interrupt_(interrupt),
        weights_(weights),
        context_length_(context_length),
        prefill_chunk_(prefill_chunk),
        sink_(sink) {}

  void add(Sequence sequence) { waiting_.push_back(std::move(sequence)); }
  void cancel(std::int64_t request);
  void cancel_all();
  bool idle() const { return waiting_.empty() && active_.empty(); }
  /// Does one prompt chunk and one token of each running sequence. An error ends the sequences it befell.
  void step();
  std::size_t cache_bytes() const;

 private:
  /// Some of a sequence's tokens that are not in its cache yet.
  struct Row {
    Sequence* sequence;
    std::int64_t count;

    /// A pass has one adapter.
    bool shares_pass_with(const Sequence& other) const { return sequence->adapter == other.adapter; }
    /// True when they are the last of them.
    bool complete() const { return count == sequence->pending(); }
    /// True when the logits after them are wanted.
    bool wants_logits() const {
      const auto& request = sequence->request;
      return complete() && (request.answers() || !request.score_ids.empty());
    }
  };

  void admit();
  void prefill();
  std::vector<Row> prompt_rows();
  void read_on(Sequence& sequence, std::span<const float> logits);
  void decode();
  void decode(const std::vector<Row>& rows);
  std::optional<std::vector<float>> run(const std::vector<Row>& rows);
  void accept(Sequence& sequence, std::span<const float> logits);
  void finish(Sequence& sequence, FinishReason reason);
  void fail(const std::vector<Row>& rows, const std::exception_ptr& error);
  void remove(const Sequence& sequence);

  const models::Model& model_;
  nn::Runtime& runtime_;
  Interrupt& interrupt_;
  const io::TensorStore& weights_;
  const std::int64_t context_length_;
  const std::int64_t prefill_chunk_;
  const EventSink& sink_;
  std::deque<Sequence> waiting_;
  std::list<Sequence> active_;
  PrefixCache prefix_cache_;
};

}  // namespace punie::engine
