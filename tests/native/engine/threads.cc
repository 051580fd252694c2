// The engine from many threads at once, for ThreadSanitizer: `npm run test:tsan`. Models load, answer, are cancelled
// and stopped while others do the same, over the pool that they share.

#include <cstdio>
#include <cstdlib>
#include <map>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "small_model.h"

namespace {

using namespace punie;
using tests::request_of;
using tests::SmallModel;

constexpr int kModels = 3;
constexpr int kRounds = 4;
constexpr int kCallers = 3;
constexpr int kRequestsOfCaller = 4;

void require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "FAIL  %s\n", promise);
  std::exit(1);
}

/// What a model has told, from its owner thread to those that wait.
class Told {
 public:
  void take(engine::Event event) {
    if (const auto* failed = std::get_if<engine::LoadFailedEvent>(&event)) require(false, failed->message.c_str());
    const std::lock_guard lock(mutex_);
    if (const auto* finish = std::get_if<engine::FinishEvent>(&event)) ended_[finish->request] = true;
    if (const auto* error = std::get_if<engine::ErrorEvent>(&event)) ended_[error->request] = false;
    if (std::holds_alternative<engine::LoadedEvent>(event)) loaded_ = true;
    changed_.notify_all();
  }
  void wait_loaded() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return loaded_; });
  }
  bool wait_ended(std::int64_t request) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_.contains(request); });
    return ended_[request];
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool loaded_ = false;
  std::map<std::int64_t, bool> ended_;
};

/// Requests from several threads, every third of them cancelled, on one model.
void use(engine::Engine& engine, Told& told) {
  std::vector<std::thread> callers;
  for (int caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      for (int i = 0; i < kRequestsOfCaller; ++i) {
        const std::int64_t id = caller * 100 + i;
        engine.start(request_of(id));
        if (i % 3 == 2) engine.cancel(id);
        engine.memory();
        require(told.wait_ended(id), "a request ends without an error");
      }
    });
  }
  for (auto& caller : callers) caller.join();
}

void load_use_and_stop(const SmallModel& model, int round, bool stock_ops) {
  Told told;
  engine::EngineOptions options;
  options.threads = 2;
  options.context_length = 128;
  options.prefill_chunk = 2;
  options.stock_ops = stock_ops;
  engine::Engine engine(model.spec(), options, [&](engine::Event event) { told.take(std::move(event)); });
  if (round % 4 == 3) return;  // destroyed while it loads
  told.wait_loaded();
  use(engine, told);
  engine.start(request_of(1000));  // in flight when it is stopped
  engine.stop();
}

}  // namespace

int main() {
  const SmallModel model;
  std::vector<std::thread> models;
  for (int i = 0; i < kModels; ++i) {
    models.emplace_back([&, i] {
      for (int round = 0; round < kRounds; ++round) load_use_and_stop(model, round, i == 0);
    });
  }
  for (auto& thread : models) thread.join();
  std::printf("ok    %d models at once, %d times each, with %d threads of callers\n", kModels, kRounds, kCallers);
  return 0;
}
