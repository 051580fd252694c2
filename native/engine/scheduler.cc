#include "engine/scheduler.h"

#include <algorithm>
#include <new>

#include "engine/sampler.h"
#include "error.h"

namespace punie::engine {

namespace {

/// Sequences that share a forward pass. More of them would each wait longer for a token than one is worth.
constexpr std::size_t kMostActive = 8;

double milliseconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

ErrorEvent describe(std::int64_t request, const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& e) {
    return {request, e.code(), e.what()};
  } catch (const std::bad_alloc&) {
    return {request, "OUT_OF_MEMORY", "There is no memory left for this request. Use a smaller context length."};
  } catch (const std::exception& e) {
    return {request, "INTERNAL", e.what()};
  }
}

}  // namespace

void Scheduler::cancel(std::int64_t request) {
  const auto matches = [&](const Sequence& sequence) { return sequence.request.id == request; };
  if (auto found = std::ranges::find_if(active_, matches); found != active_.end()) {
    finish(*found, FinishReason::cancelled);
  } else if (auto queued = std::ranges::find_if(waiting_, matches); queued != waiting_.end()) {
    sink_(FinishEvent{request, FinishReason::cancelled, queued->prompt_tokens(), 0, 0, 0, 0, 0});
    waiting_.erase(queued);
  }
}

void Scheduler::cancel_all() {
  while (!active_.empty()) cancel(active_.front().request.id);
  while (!waiting_.empty()) cancel(waiting_.front().request.id);
}

void Scheduler::step() {
  admit();
  const auto prompt = std::ranges::find_if(active_, &Sequence::prefilling);
  if (prompt != active_.end()) prefill(*prompt);
  decode();
}

std::size_t Scheduler::cache_bytes() const {
  auto bytes = prefix_cache_.bytes();
  for (const auto& sequence : active_) bytes += sequence.cache->bytes();
  return bytes;
}

void Scheduler::admit() {
  while (active_.size() < kMostActive && !waiting_.empty()) {
    auto& sequence = active_.emplace_back(std::move(waiting_.front()));
    waiting_.pop_front();
    sequence.begun = Clock::now();
    sequence.tokens = sequence.request.prompt;
    sequence.cache = prefix_cache_.take(sequence.tokens);
    if (!sequence.cache) sequence.cache = model_.make_cache();
    sequence.cached_tokens = sequence.cache->length();
  }
}

void Scheduler::prefill(Sequence& sequence) {
  const auto count = std::min(sequence.pending(), prefill_chunk_);
  const bool last = count == sequence.pending();
  const std::vector<Row> rows{{&sequence, count}};
  try {
    const auto logits = run(rows, last);
    if (!logits) return;
    sink_(PrefillEvent{sequence.request.id, sequence.cache->length(), sequence.prompt_tokens()});
    if (!last) return;
    sequence.prefilled = Clock::now();
    accept(sequence, *logits);
  } catch (...) {
    fail(rows, std::current_exception());
  }
}

void Scheduler::decode() {
  std::vector<Row> rows;
  for (auto& sequence : active_) {
    if (!sequence.prefilling()) rows.push_back({&sequence, 1});
  }
  if (rows.empty()) return;
  std::optional<std::vector<float>> logits;
  try {
    logits = run(rows, true);
  } catch (...) {
    fail(rows, std::current_exception());
    return;
  }
  if (!logits) return;
  const auto vocabulary = static_cast<std::size_t>(model_.config().vocab_size);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    try {
      accept(*rows[i].sequence, std::span(*logits).subspan(i * vocabulary, vocabulary));
    } catch (...) {
      fail({rows[i]}, std::current_exception());
    }
  }
}

/// One forward pass; returns the logits after the last token of each row, if wanted, and nothing if it was cut short.
/// The caches are advanced only when all went well.
std::optional<std::vector<float>> Scheduler::run(const std::vector<Row>& rows, bool want_logits) {
  weights_.check_files();
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> last_rows;
  nn::Batch batch;
  for (const auto& [sequence, count] : rows) {
    const auto begin = sequence->tokens.begin() + sequence->cache->length();
    ids.insert(ids.end(), begin, begin + count);
    last_rows.push_back(static_cast<std::int32_t>(ids.size()) - 1);
    batch.segments.push_back({sequence->cache, count});
  }
  nn::Pass pass(runtime_, std::move(batch));
  const bool all_rows = last_rows.size() == ids.size();
  auto out = model_.forward(pass, std::move(ids));
  if (want_logits) out = model_.logits(pass, all_rows ? out : pass.rows_of(out, std::move(last_rows)));
  interrupt_.begin_pass(rows.front().sequence->prefilling() ? std::optional(rows.front().sequence->request.id)
                                                            : std::nullopt);
  std::span<const float> values;
  try {
    values = pass.run(out);
  } catch (...) {
    interrupt_.end_pass();
    throw;
  }
  if (interrupt_.end_pass()) return std::nullopt;
  weights_.check_files();
  for (const auto& [sequence, count] : rows) sequence->cache->advance(count);
  if (!want_logits) return std::vector<float>{};
  return std::vector<float>(values.begin(), values.end());
}

void Scheduler::accept(Sequence& sequence, std::span<const float> logits) {
  const auto& request = sequence.request;
  if (request.max_tokens <= 0) return finish(sequence, FinishReason::length);
  auto choice = choose(logits, sequence.tokens, request.sampling, request.logprobs);
  sequence.last_token = Clock::now();
  if (sequence.generated() == 0) sequence.first_token = sequence.last_token;
  if (std::ranges::find(request.stop_ids, choice.id) != request.stop_ids.end()) {
    return finish(sequence, FinishReason::stop);
  }
  sequence.tokens.push_back(choice.id);
  sink_(TokenEvent{request.id, choice.id, choice.logprob, std::move(choice.top)});
  const bool full = static_cast<std::int64_t>(sequence.tokens.size()) >= context_length_;
  if (full || sequence.generated() >= request.max_tokens) finish(sequence, FinishReason::length);
}

void Scheduler::finish(Sequence& sequence, FinishReason reason) {
  const bool begun = sequence.generated() > 0 || reason == FinishReason::stop;
  const auto zero = Clock::time_point{};
  const auto since = [&](Clock::time_point from, Clock::time_point to) {
    return from == zero || to == zero ? 0.0 : milliseconds(from, to);
  };
  sink_(FinishEvent{sequence.request.id, reason, sequence.prompt_tokens(), sequence.cached_tokens, sequence.generated(),
                    since(sequence.begun, sequence.prefilled),
                    begun ? since(sequence.arrived, sequence.first_token) : 0.0,
                    begun ? since(sequence.first_token, sequence.last_token) : 0.0});
  if (sequence.cache->length() > 0) prefix_cache_.keep(sequence.cache, std::move(sequence.tokens));
  remove(sequence);
}

void Scheduler::fail(const std::vector<Row>& rows, const std::exception_ptr& error) {
  for (const auto& row : rows) {
    sink_(describe(row.sequence->request.id, error));
    remove(*row.sequence);
  }
}

void Scheduler::remove(const Sequence& sequence) {
  active_.remove_if([&](const Sequence& other) { return &other == &sequence; });
}

}  // namespace punie::engine
