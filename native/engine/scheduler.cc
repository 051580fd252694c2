#include "engine/scheduler.h"

#include <algorithm>

#include "engine/prompt_reader.h"
#include "error.h"

namespace punie::engine {

namespace {

/// Sequences that share a forward pass. More of them would each wait longer for a token than one is worth.
constexpr std::size_t kMostActive = 8;

double milliseconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
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

void Scheduler::fail_all(const std::exception_ptr& error) {
  if (ahead_) ahead_->drop();
  for (; !active_.empty(); active_.pop_front()) sink_(error_of(active_.front().request.id, error));
  for (; !waiting_.empty(); waiting_.pop_front()) sink_(error_of(waiting_.front().request.id, error));
}

void Scheduler::step() {
  admit();
  prefill();
  decode();
}

void Scheduler::measure() {
  auto bytes = prefix_cache_.bytes();
  for (const auto& sequence : active_) bytes += sequence.cache->bytes();
  use_.cache_bytes = bytes;
  use_.work_bytes = runtime_.buffers->most_bytes();
  use_.private_bytes = bytes + runtime_.buffers->bytes() + (runtime_.use_kernels ? 0 : use_.model_bytes.load());
}

void Scheduler::admit() {
  while (active_.size() < kMostActive && !waiting_.empty()) {
    if (!has_room(waiting_.front())) {
      if (!active_.empty()) return;
      refuse(waiting_.front());
      waiting_.pop_front();
      continue;
    }
    auto& sequence = active_.emplace_back(std::move(waiting_.front()));
    waiting_.pop_front();
    sequence.begun = Clock::now();
    sequence.tokens = sequence.request.prompt;
    if (sequence.reuses_prefix()) sequence.cache = prefix_cache_.take(sequence.tokens, sequence.request.adapter);
    if (!sequence.cache) sequence.cache = model_.make_cache();
    make_room(sequence);
    sequence.cached_tokens = sequence.cache->length();
  }
}

std::int64_t Scheduler::most_positions(const Sequence& sequence) const {
  const auto wanted = sequence.request.max_tokens;
  const auto prompt = sequence.prompt_tokens();
  return wanted > context_length_ - prompt ? context_length_ : prompt + wanted;
}

/// What the caches of the running requests may grow to.
std::size_t Scheduler::reserved_bytes() const {
  std::size_t bytes = 0;
  for (const auto& sequence : active_) {
    bytes += std::max(sequence.cache->bytes(), sequence.cache->bytes_for(most_positions(sequence)));
  }
  return bytes;
}

bool Scheduler::has_room(const Sequence& sequence) const {
  return reserved_bytes() + model_.make_cache()->bytes_for(most_positions(sequence)) <= most_cache_bytes_;
}

/// Keeps an admitted sequence's cache, and with it all of them, within the limit: what is left over from another
/// request may be larger than what this one needs.
void Scheduler::make_room(Sequence& sequence) {
  if (reserved_bytes() > most_cache_bytes_) sequence.cache = model_.make_cache();
  sequence.cache->expect_at_most(most_positions(sequence));
  if (prefix_cache_.bytes() + reserved_bytes() > most_cache_bytes_) prefix_cache_.drop();
}

void Scheduler::refuse(const Sequence& sequence) {
  const auto positions = most_positions(sequence);
  sink_(ErrorEvent{sequence.request.id, "OUT_OF_MEMORY",
                   "The keys and values of " + std::to_string(positions) + " tokens, prompt and answer, take " +
                       std::to_string(model_.make_cache()->bytes_for(positions)) +
                       " bytes; this model's caches may take " + std::to_string(most_cache_bytes_) +
                       " (cacheBytes, or what was left of the memory when it was loaded). Ask for fewer tokens, or "
                       "load it with more "
                       "room."});
}

void Scheduler::release() {
  prefix_cache_.drop();
  if (ahead_) ahead_->drop();
  runtime_.buffers->trim();
}

/// The next chunk: of one prompt that an answer follows, so that its first token does not wait for others' prompts, or
/// of as many as fit of those that end with their prompt.
std::vector<Scheduler::Row> Scheduler::prompt_rows() {
  std::vector<Row> rows;
  auto room = prefill_chunk_;
  for (auto& sequence : active_) {
    if (room == 0) break;
    if (!sequence.prefilling()) continue;
    if (!rows.empty() && (sequence.request.answers() || !rows.front().shares_pass_with(sequence))) continue;
    const auto count = std::min(sequence.pending(), room);
    rows.push_back({&sequence, count});
    room -= count;
    if (sequence.request.answers()) break;
  }
  return rows;
}

void Scheduler::prefill() {
  const auto rows = prompt_rows();
  if (rows.empty()) return;
  std::optional<std::vector<float>> logits;
  std::vector<bool> complete, has_logits;
  for (const auto& row : rows) {
    complete.push_back(row.complete());
    has_logits.push_back(row.wants_logits());
  }
  try {
    logits = run(rows);
  } catch (...) {
    fail(rows, std::current_exception());
    return;
  }
  if (!logits) return;
  const auto vocabulary = static_cast<std::size_t>(model_.config().vocab_size);
  auto rest = std::span<const float>(*logits);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto& sequence = *rows[i].sequence;
    const auto own = has_logits[i] ? rest.first(vocabulary) : rest.first(0);
    rest = rest.subspan(own.size());
    sink_(PrefillEvent{sequence.request.id, sequence.cache->length(), sequence.prompt_tokens()});
    if (!complete[i]) continue;
    try {
      read_on(sequence, own);
    } catch (...) {
      fail({rows[i]}, std::current_exception());
    }
  }
}

/// What comes of a prompt that has been read: its scores, its first token, its end.
void Scheduler::read_on(Sequence& sequence, std::span<const float> logits) {
  const auto& request = sequence.request;
  sequence.prefilled = Clock::now();
  if (!request.score_ids.empty()) {
    check_finite(logits);
    const Distribution distribution(logits);
    ScoresEvent scores{request.id, {}};
    for (const auto id : request.score_ids) scores.logprobs.push_back(distribution.logprob(id));
    sink_(std::move(scores));
  }
  if (request.answers()) return accept(sequence, logits);
  finish(sequence, FinishReason::length);
}

/// One pass for the sequences of each adapter.
void Scheduler::decode() {
  std::vector<std::vector<Row>> groups;
  for (auto& sequence : active_) {
    if (sequence.prefilling()) continue;
    auto group = std::ranges::find_if(groups, [&](const auto& rows) { return rows[0].shares_pass_with(sequence); });
    if (group == groups.end()) group = groups.emplace(groups.end());
    group->push_back({&sequence, 1});
  }
  const auto plain = [](const Row& row) { return RunAhead::can_answer(row.sequence->request); };
  if (ahead_ && groups.size() == 1 && std::ranges::all_of(groups.front(), plain)) return decode_ahead(groups.front());
  if (ahead_) ahead_->drop();
  for (const auto& rows : groups) decode(rows);
}

/// The same with tokens that are chosen on the device.
void Scheduler::decode_ahead(const std::vector<Row>& rows) {
  std::vector<Sequence*> sequences;
  bool last = false;
  for (const auto& row : rows) {
    sequences.push_back(row.sequence);
    last = last || is_whole(*row.sequence, 1);
  }
  std::vector<std::int32_t> chosen;
  interrupt_.begin_pass(std::nullopt);
  try {
    weights_.check_files();
    chosen = ahead_->next(sequences, last);
    weights_.check_files();
  } catch (...) {
    interrupt_.end_pass();
    ahead_->drop();
    return fail(rows, std::current_exception());
  }
  if (interrupt_.end_pass()) return;
  measure();
  accept_each(rows, [&](std::size_t i) {
    if (chosen[i] < 0) throw_not_finite();
    accept(*rows[i].sequence, Choice{.id = chosen[i], .logprob = std::nullopt, .top = {}});
  });
}

/// Whether so many tokens more are all that were asked for, or that the context holds.
bool Scheduler::is_whole(const Sequence& sequence, std::int64_t more) const {
  const auto length = static_cast<std::int64_t>(sequence.tokens.size()) + more;
  return length >= context_length_ || sequence.generated() + more >= sequence.request.max_tokens;
}

void Scheduler::decode(const std::vector<Row>& rows) {
  std::optional<std::vector<float>> logits;
  try {
    logits = run(rows);
  } catch (...) {
    return fail(rows, std::current_exception());
  }
  if (!logits) return;
  const auto vocabulary = static_cast<std::size_t>(model_.config().vocab_size);
  accept_each(
      rows, [&](std::size_t i) { accept(*rows[i].sequence, std::span(*logits).subspan(i * vocabulary, vocabulary)); });
}

/// An error ends the sequence that it befell, and no other.
void Scheduler::accept_each(const std::vector<Row>& rows, const std::function<void(std::size_t)>& accept_row) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    try {
      accept_row(i);
    } catch (...) {
      fail({rows[i]}, std::current_exception());
    }
  }
}

/// One forward pass; returns the logits after the last token of each row that wants them, and nothing if it was cut
/// short. The caches are advanced only when all went well.
std::optional<std::vector<float>> Scheduler::run(const std::vector<Row>& rows) {
  weights_.check_files();
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> last_rows;
  std::deque<PromptReader> readers;
  nn::Batch batch;
  for (const auto& row : rows) {
    const auto& [sequence, count] = row;
    const auto begin = sequence->tokens.begin() + sequence->cache->length();
    if (sequence->prefilling()) readers.emplace_back(*sequence, static_cast<std::int64_t>(ids.size()), count);
    ids.insert(ids.end(), begin, begin + count);
    if (row.wants_logits()) last_rows.push_back(static_cast<std::int32_t>(ids.size()) - 1);
    batch.segments.push_back({sequence->cache, count});
  }
  nn::Pass pass(runtime_, std::move(batch), rows.front().sequence->adapter.get());
  const bool want_logits = !last_rows.empty();
  const bool all_rows = last_rows.size() == ids.size();
  auto out = model_.forward(pass, std::move(ids));
  for (auto& reader : readers) reader.read(pass, model_, out);
  if (want_logits) out = model_.logits(pass, all_rows ? out : pass.rows_of(out, std::move(last_rows)));
  const auto& first = *rows.front().sequence;
  interrupt_.begin_pass(rows.size() == 1 && first.prefilling() ? std::optional(first.request.id) : std::nullopt);
  std::span<const float> values;
  try {
    values = pass.run(out);
  } catch (...) {
    interrupt_.end_pass();
    throw;
  }
  if (interrupt_.end_pass()) return std::nullopt;
  weights_.check_files();
  for (auto& reader : readers) reader.tell(sink_);
  for (const auto& [sequence, count] : rows) sequence->cache->advance(count);
  measure();  // before anybody is told what has come of it
  if (!want_logits) return std::vector<float>{};
  return std::vector<float>(values.begin(), values.end());
}

void Scheduler::accept(Sequence& sequence, std::span<const float> logits) {
  const auto& request = sequence.request;
  accept(sequence, choose(logits, sequence.tokens, request.sampling, request.logprobs));
}

void Scheduler::accept(Sequence& sequence, Choice choice) {
  const auto& request = sequence.request;
  sequence.last_token = Clock::now();
  if (sequence.generated() == 0) sequence.first_token = sequence.last_token;
  if (std::ranges::find(request.stop_ids, choice.id) != request.stop_ids.end()) {
    return finish(sequence, FinishReason::stop);
  }
  sequence.tokens.push_back(choice.id);
  sink_(TokenEvent{request.id, choice.id, choice.logprob, std::move(choice.top)});
  if (is_whole(sequence, 0)) finish(sequence, FinishReason::length);
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
  if (sequence.reuses_prefix() && sequence.cache->length() > 0)
    prefix_cache_.keep(sequence.cache, std::move(sequence.tokens), sequence.request.adapter);
  remove(sequence);
}

void Scheduler::fail(const std::vector<Row>& rows, const std::exception_ptr& error) {
  for (const auto& row : rows) {
    sink_(error_of(row.sequence->request.id, error));
    remove(*row.sequence);
  }
}

void Scheduler::remove(const Sequence& sequence) {
  active_.remove_if([&](const Sequence& other) { return &other == &sequence; });
}

}  // namespace punie::engine
