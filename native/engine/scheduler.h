#pragma once

#include <deque>
#include <exception>
#include <functional>
#include <list>
#include <optional>
#include <vector>

#include "engine/events.h"
#include "engine/interrupt.h"
#include "engine/memory_use.h"
#include "engine/prefix_cache.h"
#include "engine/run_ahead.h"
#include "engine/sampler.h"
#include "engine/sequence.h"
#include "io/tensor_store.h"
#include "models/model.h"
#include "nn/runtime.h"

namespace punie::engine {

/// Decides what each forward pass computes: a chunk of one prompt, or of several that want no answer; then a token of
/// every sequence that has its prompt behind it. Lives on the owner thread.
class Scheduler {
 public:
  /// `weights`: the mapped files, checked before and after each pass. `most_cache_bytes`: of all KV caches together,
  /// the kept one's too: requests wait, and one that can't fit alone is refused.
  Scheduler(const models::Model& model, nn::Runtime& runtime, Interrupt& interrupt, const io::TensorStore& weights,
            std::int64_t context_length, std::int64_t prefill_chunk, std::size_t most_cache_bytes, MemoryUse& use,
            const EventSink& sink)
      : model_(model),
        runtime_(runtime),
        interrupt_(interrupt),
        weights_(weights),
        context_length_(context_length),
        prefill_chunk_(prefill_chunk),
        most_cache_bytes_(most_cache_bytes),
        use_(use),
        sink_(sink) {
    if (RunAhead::serves(model, runtime)) ahead_.emplace(model, runtime);
  }

  void add(Sequence sequence) { waiting_.push_back(std::move(sequence)); }
  void cancel(std::int64_t request);
  void cancel_all();
  /// Ends all requests with an error.
  void fail_all(const std::exception_ptr& error);
  bool idle() const { return waiting_.empty() && active_.empty(); }
  /// Does one prompt chunk and one token of each running sequence. An error ends the sequences it befell.
  void step();
  /// Says what memory is in use.
  void measure();
  /// Frees what is kept for requests to come.
  void release();

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
  std::int64_t most_positions(const Sequence& sequence) const;
  std::size_t reserved_bytes() const;
  bool has_room(const Sequence& sequence) const;
  void make_room(Sequence& sequence);
  void refuse(const Sequence& sequence);
  void prefill();
  std::vector<Row> prompt_rows();
  void read_on(Sequence& sequence, std::span<const float> logits);
  void decode();
  void decode(const std::vector<Row>& rows);
  std::optional<std::vector<float>> run(const std::vector<Row>& rows);
  void decode_ahead(const std::vector<Row>& rows);
  void accept_each(const std::vector<Row>& rows, const std::function<void(std::size_t)>& accept_row);
  void accept(Sequence& sequence, std::span<const float> logits);
  void accept(Sequence& sequence, Choice choice);
  bool is_whole(const Sequence& sequence, std::int64_t more) const;
  void finish(Sequence& sequence, FinishReason reason);
  void fail(const std::vector<Row>& rows, const std::exception_ptr& error);
  void remove(const Sequence& sequence);

  const models::Model& model_;
  nn::Runtime& runtime_;
  Interrupt& interrupt_;
  const io::TensorStore& weights_;
  const std::int64_t context_length_;
  const std::int64_t prefill_chunk_;
  const std::size_t most_cache_bytes_;
  MemoryUse& use_;
  const EventSink& sink_;
  std::deque<Sequence> waiting_;
  std::list<Sequence> active_;
  PrefixCache prefix_cache_;
  /// Where the next pass can be on its way before the last one's tokens are read.
  std::optional<RunAhead> ahead_;
};

}  // namespace punie::engine
